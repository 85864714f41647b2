"""`python -m tools.ethanol`: exit codes, what it prints, forces against finite differences."""

import dataclasses

import numpy as np
import pytest

from labkit.oracles import Label, LabelStore, TBLite
from tools.ethanol import labels
from tools.ethanol.check import force_errors
from tools.ethanol.command import CHECK_SETS, FAILED, main
from tools.ethanol.molecule import minima


@dataclasses.dataclass(frozen=True)
class Wrong(TBLite):
    """Forces off by 5 meV/Å."""

    def compute(self, atoms, should_stop=lambda: False):
        label = super().compute(atoms, should_stop)
        return Label({"energy": label.energy, "forces": label.forces + 0.005})


def shaken():
    atoms = minima()[0].copy()
    atoms.rattle(0.05, seed=1)
    return atoms


def test_force_errors_are_those_of_the_forces():
    right = force_errors([shaken()], TBLite(accuracy=0.01), 4)
    assert max(one.error for one in right) < 0.1
    assert max(abs(one.force) for one in right) > 0.5
    wrong = force_errors([shaken()], Wrong(accuracy=0.01), 4)
    assert [one.error for one in wrong] == pytest.approx(4 * [5.0], abs=0.1)


def test_run_does_everything_and_once(small, capsys):
    out = ["--out", str(small)]
    assert main(["run", *out]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["set", "frames", "gfn2", "pbe"]
    assert "train                  6       6       6" in printed and " 0 left" in printed
    with LabelStore(small / "labels.sqlite") as store:
        done = store.calculations()
    assert len(done) == 2 * (4 * 6 + 2 * 12 + 4 + 3)
    assert main(["run", *out]) == 0
    with LabelStore(small / "labels.sqlite") as store:
        assert store.calculations() == done
    assert main(["check", *out, "--level", "gfn2", "--frames", "5"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[-11:-1]} == set(CHECK_SETS)
    assert (small / "check-gfn2.txt").read_text().startswith("GFN2: largest error 0.0")
    assert main(["pack", *out, "--data", str(small / "data")]) == 0
    text = (small / "data" / "README.md").read_text()
    assert "All frames have labels of both levels." in text and "- GFN2: largest error 0.0" in text


def test_forces_that_are_wrong_are_reported(small, monkeypatch, capsys):
    assert main(["frames", "--out", str(small)]) == 0
    monkeypatch.setitem(labels.LEVELS, "pbe", Wrong())
    assert main(["check", "--out", str(small), "--level", "pbe", "--frames", "1", "--components", "1"]) == FAILED
    assert "PBE: largest error 5" in capsys.readouterr().out


def test_failed_frames_do_not_end_the_run(small, monkeypatch, capsys):
    assert main(["frames", "--out", str(small)]) == 0
    monkeypatch.setitem(labels.LEVELS, "gfn2", TBLite(max_iterations=2))
    assert main(["label", "--out", str(small)]) == FAILED
    printed = capsys.readouterr().out
    assert "gfn2 test: 6 of 6 frames could not be labelled" in printed and "gfn2 wide: 12 of 12" in printed
    assert "train                  6       0       6" in printed


def test_bad_input_is_told(small, capsys):
    assert main(["check", "--out", str(small), "--frames", "0"]) == 2
    assert "expected at least 1 of each" in capsys.readouterr().err
    assert main(["pack", "--out", str(small), "--data", str(small / "data")]) == 2
    assert "no frame has been labelled" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["label"])


def test_random_components_are_different_ones():
    found = force_errors([shaken(), shaken()], TBLite(accuracy=0.01), 3, seed=2)
    assert len({(one.frame, one.atom, one.axis) for one in found}) == 6
    assert np.isfinite([one.derivative for one in found]).all()
