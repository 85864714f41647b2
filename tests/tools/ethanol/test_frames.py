"""The sets are what they are said to be; trajectories go on where they were and are the same again."""

from collections import Counter

import numpy as np
import pytest

from labkit.errors import LabkitError, Stopped
from tools.ethanol import frames as module
from tools.ethanol.frames import available, make_frames, set_frames
from tools.ethanol.molecule import require_whole
from tools.ethanol.sets import ORDER, RATIOS, SETS, trajectories


def test_sizes_of_the_sets():
    sizes = {name: sum(one.trajectories * one.samples for one in strata) for name, strata in SETS.items()}
    assert sizes == {"train": 600, "valid": 150, "test": 150, "hot": 150, "wide": 1000, "wide_test": 250}
    assert set(ORDER) == {*SETS, "stretched", "isolated_atoms"} and len(ORDER) == 8
    for name in ("train", "valid", "test", "hot"):
        (one,) = SETS[name]
        assert one.spacing >= 200 and one.temperatures == ((800.0,) if name == "hot" else (500.0,))
    assert SETS["train"][0].trajectories >= 10
    assert RATIOS[1] == 1.6 and np.abs(np.linspace(*RATIOS) - 1).min() > 1e-3


def test_no_two_sets_share_a_trajectory():
    numbers = [number for name in SETS for number, _, _ in trajectories(name)]
    assert numbers == list(range(len(numbers)))


def test_the_wide_sets_are_the_same_mixture():
    """To the same fraction of each kind, and each temperature as often."""
    shares = []
    for name in ("wide", "wide_test"):
        total = sum(one.trajectories * one.samples for one in SETS[name])
        shares.append({one.kind: one.trajectories * one.samples / total for one in SETS[name]})
        hot = SETS[name][0]
        assert hot.trajectories % len(hot.temperatures) == 0
    assert shares[0] == shares[1]


def test_frames_are_spread_over_trajectories_and_whole(small, make_all):
    make_all(small)
    assert available(small) == list(ORDER)
    for name in SETS:
        found = set_frames(small, name)
        numbers = {number for number, _, _ in trajectories(name)}
        assert Counter(atoms.info["trajectory"] for atoms in found).keys() == numbers
        assert len({atoms.positions.tobytes() for atoms in found}) == len(found)
        for atoms in found:
            require_whole(atoms)
            np.testing.assert_array_equal(atoms.positions, np.round(atoms.positions, 6))
    assert {atoms.info["trajectory"] for atoms in set_frames(small, "train")[:2]} == {4, 5}
    kinds = Counter(atoms.info["kind"] for atoms in set_frames(small, "wide"))
    assert kinds == {"thermal": 4, "stretched": 4, "torsion": 4}
    scan = set_frames(small, "stretched")
    assert [(a.info["bond"], a.info["ratio"]) for a in scan] == [(b, r) for b in ("O-H", "C-C") for r in (0.9, 1.2)]


def test_a_lost_trajectory_is_run_again_to_the_same_bytes(small, make_all):
    make_all(small)
    files = {path: path.read_bytes() for path in (small / "frames").glob("trajectory-*.xyz")}
    lost = sorted(files)[3]
    lost.unlink()
    assert "valid" not in available(small)
    with pytest.raises(LabkitError, match="trajectory 3 of the set 'valid' has not been run"):
        set_frames(small, "valid")
    others = {path: path.stat().st_mtime_ns for path in files if path != lost}
    make_all(small)
    assert {path: path.read_bytes() for path in files} == files
    assert {path: path.stat().st_mtime_ns for path in others} == others


def test_a_folder_of_other_settings_is_refused(small, make_all, monkeypatch):
    make_all(small)
    monkeypatch.setattr(module, "FRICTION", 0.02)
    with pytest.raises(LabkitError, match=r"recipe.txt: this folder was begun with other settings"):
        make_all(small)


def test_stop_keeps_finished_trajectories(small):
    class Stop:
        steps = 0.0

        def update(self, step, total, **metrics):
            self.steps = step

        def should_stop(self):
            return self.steps > 1.5

        def part(self, k, n):
            from labkit.base.progress import Part

            return Part(self, k, n)

    with pytest.raises(Stopped):
        make_frames(small, "test", Stop())
    assert len(list((small / "frames").glob("trajectory-*.xyz"))) == 1
