"""Two levels of theory: differences and what is learned from them, a look by the cheap one before the expensive one."""

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.morse import MorsePotential
from oracles.counted import Counted, coppers

from labkit.errors import LabkitError
from labkit.oracles import CalculationFailed, CalculatorOracle, Difference, LabelStore, Prescreened, TBLite, outcomes

CHEAP = CalculatorOracle("Morse", lambda: MorsePotential(r0=2.5), {})


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as found:
        yield found


def test_a_difference_is_that_of_all_labels(store):
    high, low, atoms = TBLite("GFN2-xTB"), TBLite("GFN1-xTB"), molecule("CH3OH")
    (label,) = Difference(high, low).label([atoms], store)
    one, other = high.compute(atoms), low.compute(atoms)
    assert label.get_potential_energy() == pytest.approx(one.energy - other.energy, abs=1e-9)
    np.testing.assert_allclose(label.get_forces(), one.forces - other.forces, atol=1e-9)
    assert label.info["oracle"] == f"{high.name} minus {low.name}"


def test_labels_of_both_levels_are_kept_and_not_bought_again(tmp_path, store):
    high, frames = Counted(tmp_path / "log"), coppers(4)
    list(high.label(frames[:2], store))
    list(Difference(high, CHEAP).label(frames, store))
    assert sorted(high.started()) == [0, 1, 2, 3]
    assert len([1 for atoms in frames if store.get(atoms, CHEAP) is not None]) == 4
    list(high.label(frames, store))
    list(Difference(high, CHEAP).label(frames, store))
    assert sorted(high.started()) == [0, 1, 2, 3] and len(store.calculations(Difference(high, CHEAP))) == 4
    assert Difference(high, CHEAP).hash == Difference(high, CHEAP, store).hash != Difference(CHEAP, high).hash


def test_seconds_of_both_levels_are_booked(tmp_path, store):
    high, low = Counted(tmp_path / "log", pause=0.05), Counted(tmp_path / "low", pause=0.05)
    object.__setattr__(low, "hash", "other")  # the same potential under another key
    list(Difference(high, low).label(coppers(1), store))
    assert store.calculations()[0].seconds >= 0.1
    list(high.label(coppers(2), store))
    list(Difference(high, low).label(coppers(2), store))
    assert 0.05 <= store.calculations()[-1].seconds < 0.1  # that of the second frame: its high label was there


def test_a_level_without_a_label_leaves_the_frame_out(tmp_path, store):
    high = Counted(tmp_path / "log", fail=(1,))
    found = {o.index: o for o in outcomes(Difference(high, CHEAP), coppers(3), store)}
    assert "the program crashed" in str(found[1].error) and found[0].label and found[2].label
    with pytest.raises(LabkitError, match="both levels are Morse"):
        Difference(CHEAP, CHEAP)


def test_frames_that_the_cheap_level_finds_torn_are_not_sent_on(tmp_path, store):
    dear, frames = Counted(tmp_path / "log"), coppers(4)
    largest = [np.linalg.norm(CHEAP.compute(atoms).forces, axis=1).max() for atoms in frames]
    bound = float(np.sort(largest)[1:3].mean())
    oracle = Prescreened(dear, CHEAP, most_force=bound)
    found = {o.index: o for o in outcomes(oracle, frames, store)}
    sent = [k for k in range(4) if largest[k] <= bound]
    assert sorted(dear.started()) == sent and len(sent) == 2
    for k in set(range(4)) - set(sent):
        assert isinstance(found[k].error, CalculationFailed)
        assert f"not sent to {dear.name}: Morse finds {largest[k]:.3g} eV/Å on atom" in str(found[k].error)
    assert all(store.get(frames[k], dear) is not None for k in sent)  # under the dear oracle's own key
    assert {c.outcome for c in store.calculations(dear)} == {"labelled", "failed"}
    list(dear.label([frames[k] for k in sent], store))
    assert sorted(dear.started()) == sent


def test_frames_that_the_cheap_level_cannot_compute_are_not_sent_on(tmp_path):
    dear = Counted(tmp_path / "log")
    cheap = Counted(tmp_path / "cheap", unconverged=(0,))
    (found,) = outcomes(Prescreened(dear, cheap), coppers(1))
    assert "did not converge" in str(found.error) and dear.started() == []
    with pytest.raises(LabkitError, match="most_force is -1"):
        Prescreened(dear, cheap, most_force=-1)
