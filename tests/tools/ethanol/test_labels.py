"""Labels of two levels in order, resumed without repetition; an SCF that does not converge is no label."""

import pytest

from labkit.errors import LabkitError
from labkit.oracles import PySCF, TBLite
from tools.ethanol import labels
from tools.ethanol.frames import set_frames
from tools.ethanol.labels import LEVELS, label, label_store, seconds_per_label, status
from tools.ethanol.sets import ORDER


def test_the_levels_are_those_of_the_readme():
    """As the issue asks: restricted Kohn-Sham with density fitting, grid 4, 1e-9."""
    pbe = PySCF("pbe", "def2-svp", 1e-9, 100, 4, "def2-universal-jfit")
    assert {"gfn2": TBLite("GFN2-xTB", accuracy=0.01), "pbe": pbe} == LEVELS


def test_isolated_atoms_are_in_their_ground_states(small):
    """Hund: doublet, triplet, triplet."""
    found = {str(a.symbols): a.info["multiplicity"] for a in set_frames(small, "isolated_atoms")}
    assert found == {"H": 2, "C": 3, "O": 3}


def test_labels_are_not_computed_twice(small, make_all):
    make_all(small)
    label(small, "gfn2", "test")
    with label_store(small) as store:
        first = store.calculations()
        assert [c.outcome for c in first] == 6 * ["labelled"]
    label(small, "gfn2", "test")
    with label_store(small) as store:
        assert store.calculations() == first
    (state,) = [state for state in status(small) if state.name == "test"]
    assert (state.frames, state.labels) == (6, {"gfn2": 6, "pbe": 0})
    assert 0 < seconds_per_label(small, "gfn2") < 10 and seconds_per_label(small, "pbe") != seconds_per_label(
        small, "pbe"
    )


def test_status_of_a_folder_without_frames(small):
    found = {state.name: state.frames for state in status(small)}
    assert found == {name: {"isolated_atoms": 3, "stretched": 4}.get(name) for name in ORDER}


def test_an_unconverged_scf_is_no_label(small, make_all, monkeypatch):
    monkeypatch.setitem(labels.LEVELS, "pbe", TBLite(max_iterations=2))
    make_all(small)
    with pytest.raises(LabkitError, match=r"4 of 4 frames could not be labelled. Frame 0: .*converge"):
        label(small, "pbe", "stretched")
    with label_store(small) as store:
        assert len(store) == 0 and {c.outcome for c in store.calculations()} == {"unconverged"}
