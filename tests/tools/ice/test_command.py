"""`python -m tools.ice`: tables, exit codes, folders that go on where they were."""

import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from ase.calculators.emt import EMT

from labkit.datasets import ice
from labkit.errors import LabkitError
from labkit.oracles import CalculatorOracle, Espresso, Label, LabelStore, MissingProgram, Oracle
from tools.ice import check, command, recipes
from tools.ice.command import main

try:
    Espresso().require()
    missing = ""
except MissingProgram as error:
    missing = str(error)
needs_espresso = pytest.mark.skipif(bool(missing), reason=missing or "pw.x is here")


def test_missing_program_has_its_own_exit_code(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--check", "1"]) == command.MISSING == 3
    assert "pw.x is not on PATH; install Quantum ESPRESSO" in capsys.readouterr().err


@needs_espresso
def test_bad_input_is_told(capsys, tmp_path):
    assert main(["--check", "0"]) == 2
    assert "expected 1 to 838" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--what", "dynamics"]) == 2
    assert "needs a fitted potential" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


@needs_espresso
def test_interrupt_ends_the_programs_too(repository):
    command_line = [sys.executable, "-m", "tools.ice", "--check", "2", "--workers", "2"]
    process = subprocess.Popen(command_line, cwd=repository, stderr=subprocess.DEVNULL)
    us = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while not us.children() and time.monotonic() < deadline:
        time.sleep(0.1)
    programs = us.children()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert programs and not any(program.is_running() for program in programs)


@needs_espresso
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_check_prints_deviations(capsys):
    assert main(["--check", "1", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "energy [meV/atom]" in printed and "all within tolerance" in printed


def test_shipped_frames_are_spread_over_the_sets():
    frames = command.shipped(9)
    assert len({info["set"] for info in frames.info}) >= 3
    assert np.isfinite(command.shipped(5, response=True).born_charges).all()


def test_deviations_are_found_and_failed(tmp_path):
    """Labels of another method are far from PBE, and equal ones are not."""

    class Shipped(Oracle):
        kind = name = "shipped"

        def compute(self, atoms, should_stop):
            return Label(self.frames.labels(0))

    valid = ice("valid")
    frames = valid[np.flatnonzero(np.isnan(valid.polarizability[:, 0, 0]))[:2]]  # without responses
    oracle = Shipped()
    oracle.frames = frames[0]
    (same,) = check(oracle.frames, oracle, tmp_path / "same")
    assert same.within_tolerance and same.energy == 0 and same.stress < 1e-12
    oracle.frames = frames[1]
    (other,) = check(frames[0], oracle, tmp_path / "other")
    energy = abs(frames.energy[0] - frames.energy[1]) / 12 * 1000
    assert not other.within_tolerance and other.energy == pytest.approx(energy)
    text = command.table([same, other])
    assert "born_charges" not in text and "stress [GPa]" in text and len(text.splitlines()) == 4


def test_generated_folder_goes_on_and_refuses_another_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(
        recipes, "_normal_modes", lambda recipe, start, progress: [start.copy() for _ in range(recipe.frames)]
    )
    oracle = CalculatorOracle("EMT", EMT)
    made = recipes.generate(recipes.Recipe(frames=2), oracle, tmp_path)
    assert len(made) == 2
    first = (tmp_path / "frames.xyz.xz").read_bytes()
    (tmp_path / "labels" / "frame-00001.xyz").unlink()
    recipes.generate(recipes.Recipe(frames=2), oracle, tmp_path)
    assert (tmp_path / "frames.xyz.xz").read_bytes() == first
    with pytest.raises(LabkitError, match="started with Recipe.*choose another folder"):
        recipes.generate(recipes.Recipe(frames=3), oracle, tmp_path)


def test_labels_and_their_cost_are_in_the_store(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        recipes, "_normal_modes", lambda recipe, start, progress: [start.copy() for _ in range(recipe.frames)]
    )
    monkeypatch.setattr(command, "Espresso", lambda response: CalculatorOracle("EMT", EMT))
    line = ["--out", str(tmp_path / "made"), "--frames", "2", "--workers", "1"]
    assert main(line) == 0
    for store in ([], ["--store", str(tmp_path / "other.sqlite")]):
        (tmp_path / "made" / "labels" / "frame-00001.xyz").unlink()
        assert main([*line, *store]) == 0
    for path in (tmp_path / "made" / "labels.sqlite", tmp_path / "other.sqlite"):
        with LabelStore(path) as found:
            assert [c.outcome for c in found.calculations()] == ["labelled"]  # both frames are the same one


def test_unknown_recipe():
    with pytest.raises(LabkitError, match="no recipe 'modes'"):
        recipes.Recipe("modes")
