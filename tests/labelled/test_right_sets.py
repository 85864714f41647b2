"""Sets whose labels are right: an audit finds no problem in them, and nothing to check."""

import numpy as np
import pytest
from labelled.right_sets import RIGHT

from labkit.datasets.audit import audit
from labkit.datasets.audit.quick import quick_look

QUICK = ("isolated_atoms", "dimers", "open_and_periodic", "surfaces")


def nothing_is_wrong(name: str) -> None:
    dataset = RIGHT[name]()
    report = audit(dataset)
    assert [f for f in report.findings if f.severity != "note"] == [], str(report)
    assert quick_look(dataset) == ""
    (units,) = report.about("units")
    assert "consistent with eV" in units.text and " ± " in units.sure, units
    if np.isfinite(dataset.stress).any():
        (stress,) = report.about("stress")
        assert "consistent with" in stress.text and " ± " in stress.sure, stress


@pytest.mark.parametrize("name", QUICK)
def test_right_sets_have_notes_only(name):
    nothing_is_wrong(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [x for x in RIGHT if x not in QUICK])
def test_all_right_sets_have_notes_only(name):
    if name.startswith("molecules"):
        pytest.importorskip("tblite")
    nothing_is_wrong(name)
