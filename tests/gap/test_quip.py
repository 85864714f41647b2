"""The real gap_fit behind labkit: its model, its failures, Stop, and files that are never lost."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule

from labkit.base import State
from labkit.datasets import Dataset, DatasetWarning, ice
from labkit.errors import LabkitError, Stopped
from labkit.gap import errors
from labkit.gap.config import Distance2b, GapConfig, Soap
from labkit.gap.quip import QuipPotential, fit, load, write_training_file
from labkit.gap.quip_process import executable, how_far

try:
    executable()
    import quippy  # noqa: F401
except (LabkitError, ImportError) as reason:
    pytest.skip(f"gap_fit or quippy is missing: {reason}", allow_module_level=True)

SMALL = GapConfig(
    (
        Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=20, zeta=2, sparse_method="random"),
        Distance2b(cutoff=3.0, theta_uniform=0.5, n_sparse=8),
    ),
    sigma_energy=0.001,
    sigma_force=0.05,
    sigma_virial=0.02,
    seed=1,
)


class Watch:
    """A progress that keeps what it hears and stops once asked to."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.heard: list[tuple[int, str]] = []
        self.stop_at = stop_at
        self.began = time.monotonic()

    def update(self, step, total, **metrics):
        self.heard.append((step, metrics["stage"]))

    def should_stop(self) -> bool:
        return time.monotonic() - self.began > self.stop_at


@pytest.fixture(scope="module")
def train() -> Dataset:
    return ice("train", n=50)[:6]


@pytest.fixture(scope="module")
def made(train, tmp_path_factory) -> tuple[QuipPotential, Watch]:
    watch = Watch()
    return fit(train, SMALL, tmp_path_factory.mktemp("gap"), progress=watch), watch


def test_fits_its_training_frames(made, train):
    potential, _ = made
    table = errors(potential, train)
    assert potential.cutoff == pytest.approx(3.0)
    assert table.xs("energy", level=-1)["rmse"].item() < 2.0  # meV/atom; their spread is 9
    assert table.xs("forces", level=-1)["rmse"].item() < 250.0  # meV/Å; their spread is 710
    assert table.xs("stress", level=-1)["rmse"].item() < 0.4  # GPa: a wrong sign or factor makes it several


def test_equals_the_calculator_of_quippy(made, train):
    potential, _ = made
    result = potential.evaluate(State.from_atoms(train.atoms[:3]), forces=True, stress=True, per_atom=True)
    from quippy.potential import Potential as Quippy

    for i, atoms in enumerate(train.atoms[:3]):
        atoms = atoms.copy()
        atoms.calc = Quippy(param_filename=str(potential.path))
        span = slice(12 * i, 12 * (i + 1))
        assert result.energy[i].item() == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(result.forces[span], atoms.get_forces(), atol=1e-9)
        np.testing.assert_allclose(result.stress[i], atoms.get_stress(voigt=False), atol=1e-9)
        np.testing.assert_allclose(result.per_atom[span], atoms.get_potential_energies(), atol=1e-9)
        again = potential.calculator()
        assert again.get_potential_energy(atoms) == pytest.approx(result.energy[i].item(), abs=1e-9)


def test_forces_and_stress_are_derivatives_of_the_energy(made, train):
    potential, _ = made
    state = State.from_atoms(train.atoms[:1])
    result = potential.evaluate(state, stress=True)
    generator = torch.Generator().manual_seed(0)
    move = torch.randn(state.positions.shape, generator=generator, dtype=torch.float64)
    strain = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    strain = strain + strain.mT
    step = 1e-5

    def energy(sign: float, what: str) -> float:
        if what == "move":
            moved = state.replace(positions=state.positions + sign * step * move)
        else:
            deformation = torch.eye(3, dtype=torch.float64) + sign * step * strain
            moved = state.replace(positions=state.positions @ deformation, cell=state.cell @ deformation)
        return potential.evaluate(moved, forces=False).energy.item()

    slope = (energy(1, "move") - energy(-1, "move")) / (2 * step)
    assert slope == pytest.approx(-(result.forces * move).sum().item(), rel=1e-5)
    slope = (energy(1, "strain") - energy(-1, "strain")) / (2 * step)
    assert slope == pytest.approx((result.stress[0] * strain).sum().item() * state.volume().item(), rel=1e-5)
    with pytest.raises(LabkitError, match="no second derivatives"):
        potential.evaluate(state, create_graph=True)


def test_sums_and_open_systems(made):
    potential, _ = made
    state = State.from_atoms([molecule("H2O"), molecule("H2")])
    one, two = potential.evaluate(state), (potential + potential).evaluate(state)
    assert torch.allclose(two.energy, 2 * one.energy) and torch.allclose(two.forces, 2 * one.forces)
    assert one.energy.shape == (2,)


def test_progress_and_what_is_kept_with_the_model(made, train):
    potential, watch = made
    steps, stages = zip(*watch.heard, strict=True)
    assert list(steps) == sorted(steps) and steps[-1] == 99 and stages[-1] == "writing"
    assert potential.made_by["data"]["sha256"] == train.hash
    assert GapConfig.parse(potential.made_by["config"]) == SMALL
    assert not list(potential.path.parent.glob(".gap_fit-*"))
    assert "libAtoms::Finalise" in potential.path.with_name("gap.xml.log").read_text()
    moved = potential.path.parent / "elsewhere"
    shutil.copytree(potential.path.parent, moved)
    state = State.from_atoms(train.atoms[:2])
    assert torch.equal(load(moved / "gap.xml").evaluate(state).energy, potential.evaluate(state).energy)


def test_stages_of_a_log():
    log = (
        "Number of partial derivatives of descriptors: 100\nNumber of partial derivatives of descriptors: 300\n"
        "Started sparse covariance matrix calculation of coordinate 1\nCovariance matrix  50% |***"
    )
    assert how_far("") == (0, "reading")
    assert how_far(log.split("Started")[0]) == (3, "descriptors")
    assert how_far(log) == (5 + 11, "covariance of descriptor 1 of 2")
    log += "\nFinished sparse covariance\nStarted sparse covariance matrix calculation of coordinate 2\n"
    assert how_far(log) == (5 + 22, "covariance of descriptor 2 of 2")


def test_a_model_is_not_overwritten_unasked(made, train, tmp_path):
    potential, _ = made
    folder = tmp_path / "copy"
    shutil.copytree(potential.path.parent, folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    with pytest.raises(LabkitError, match="a model already exists; .* overwrite=True"):
        fit(train, SMALL, folder)
    bad = SMALL.replace(other={"core_ip_args": "IP Nonsense"})
    with pytest.raises(LabkitError, match="gap_fit failed"):
        fit(train, bad, folder, overwrite=True)  # fails, and the old model stays
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
    new = fit(train[:4], SMALL, folder, overwrite=True)
    assert new.made_by["data"]["frames"] == 4
    assert len(list(folder.glob("gap.xml.sparseX*"))) == len([n for n in before if "sparseX" in n])


def test_a_failure_shows_the_log_of_gap_fit(train, tmp_path):
    here = Path.cwd()
    bad = SMALL.replace(other={"core_ip_args": "IP Nonsense"})
    with pytest.raises(LabkitError, match="(?s)gap_fit failed .exit code.*log ends with.*quip_params.xml"):
        fit(train, bad, tmp_path / "new")
    with pytest.raises(LabkitError, match="QUIP cannot use this model.*has not been fitted"):
        fit(train, SMALL.replace(other={"sparsify_only_no_fit": "T"}), tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
    assert Path.cwd() == here  # QUIP leaves the process in the folder of a model that it refuses


def test_stop_ends_the_process_and_leaves_nothing(tmp_path):
    slow = SMALL.replace(descriptors=Soap(n_max=10, l_max=8, cutoff=5.0, n_sparse=200))
    watch = Watch(stop_at=1.0)
    began = time.monotonic()
    with pytest.raises(Stopped, match="no model was written"):
        fit(ice("train", n=50), slow, tmp_path, progress=watch)
    assert time.monotonic() - began < 5.0
    assert not list(tmp_path.iterdir())
    assert not [p for p in running() if str(tmp_path) in p]


def running() -> list[str]:
    """Working folders of all processes that can be seen."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append(os.readlink(process / "cwd"))
        except OSError:
            continue
    return found


def test_a_read_only_folder(train, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(LabkitError, match="cannot be written"):
        fit(train, SMALL, file / "below")
    if os.geteuid() == 0:  # root may write anywhere, so the refusal is made by hand

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("labkit.gap.quip.tempfile.mkdtemp", refuse)
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(LabkitError, match="Permission denied.*choose a writable folder"):
        fit(train, SMALL, tmp_path)


def test_gap_fit_missing(train, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(LabkitError, match=r'gap_fit was not found on PATH; run: pip install "labkit\[gap\]"'):
        fit(train, SMALL, tmp_path)


def test_damaged_models(made, tmp_path):
    potential, _ = made
    shutil.copytree(potential.path.parent, tmp_path / "a")
    path = tmp_path / "a" / "gap.xml"
    with pytest.raises(LabkitError, match="no such file"):
        load(tmp_path / "nothing.xml")
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(LabkitError, match="not a complete XML file"):
        load(path)
    path.write_text("<a></a>")
    with pytest.raises(LabkitError, match="holds no GAP_params"):
        load(path)
    path.write_text(text)
    sparse = sorted(path.parent.glob("gap.xml.sparseX*"))[0]
    content = sparse.read_bytes()
    sparse.write_bytes(content[:-10])
    with pytest.raises(LabkitError, match="truncated or changed"):
        load(path)
    sparse.unlink()
    with pytest.raises(LabkitError, match="needs it in the same folder"):
        load(path)


def test_the_training_file(train, tmp_path):
    from ase.io import read

    config = SMALL.replace(forces_key="my_forces", virial_key="my_virial", sigma_virial=None)
    write_training_file(tmp_path / "a.xyz", train[:2], SMALL)
    frame = read(tmp_path / "a.xyz", 0)
    np.testing.assert_allclose(frame.info["virial"], -frame.get_volume() * train.stress[0], atol=1e-7)
    assert frame.get_potential_energy() == pytest.approx(train.energy[0], abs=1e-6)
    write_training_file(tmp_path / "b.xyz", train[:2], config)
    frame = read(tmp_path / "b.xyz", 1)
    np.testing.assert_allclose(frame.arrays["my_forces"], train[1].forces, atol=1e-7)
    assert "my_virial" not in frame.info and frame.calc.results.keys() == {"energy"}


def test_a_fit_in_a_thread(train, tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(fit(train[:4], SMALL, tmp_path)))
    thread.start()
    thread.join()
    assert found[0].path.is_file()


def test_open_frames_of_molecules(tmp_path):
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(6):
        water = molecule("H2O")
        water.rattle(0.05, rng=rng)
        water.info["energy"] = -14.0 + 5 * (water.get_distance(0, 1) - 0.97) ** 2
        frames.append(water)
    data = Dataset.from_atoms(frames)
    config = SMALL.replace(descriptors=SMALL.descriptors[:1], sigma_force=None, sigma_virial=None)
    potential = fit(data, config, tmp_path)
    found = potential.evaluate(State.from_atoms(data.atoms), forces=False).energy
    np.testing.assert_allclose(found, data.energy, atol=0.01)


def test_placeholders_are_named(train, tmp_path, monkeypatch) -> None:
    """They can be in a dataset of arrays, or after a change; the fit goes no further here."""
    energy = np.array(train.energy)
    energy[[1, 4]] = 0.0

    def ends(*_: object) -> None:
        raise LabkitError("gap_fit was started")

    monkeypatch.setattr("labkit.gap.quip.run", ends)
    with pytest.warns(DatasetWarning, match="energy of frames 1, 4 is 0"), pytest.raises(LabkitError, match="started"):
        fit(replace(train, energy=energy), SMALL, tmp_path)
