"""A folder with all sets, but of few frames, short trajectories and cheap labels."""

import pytest

from labkit.oracles import TBLite
from tools.ethanol import frames, labels, sets
from tools.ethanol.frames import make_frames


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Sets of a few frames 2 fs apart; labels "gfn2" by GFN2-xTB and "pbe" by GFN1-xTB."""
    wide = tuple(sets.Stratum(kind, 2, 2, spacing=2.0) for kind in ("thermal", "stretched", "torsion"))
    one = (sets.Stratum("thermal", 2, 3, spacing=2.0),)
    for name in sets.SETS:
        monkeypatch.setitem(sets.SETS, name, wide if "wide" in name else one)
    monkeypatch.setattr(sets, "RATIOS", (0.9, 1.2, 2))
    monkeypatch.setattr(frames, "RATIOS", (0.9, 1.2, 2))
    monkeypatch.setattr(frames, "EQUILIBRATION", 5.0)
    monkeypatch.setitem(labels.LEVELS, "gfn2", TBLite("GFN2-xTB", accuracy=0.01))
    monkeypatch.setitem(labels.LEVELS, "pbe", TBLite("GFN1-xTB", accuracy=0.01))
    return tmp_path


@pytest.fixture
def make_all():
    """A function that makes the frames of all sets in a folder."""
    return lambda folder: [make_frames(folder, name) for name in sets.SETS]
