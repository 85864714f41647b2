"""Training further: new frames, old ones replayed, other elements, other references of energy."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from labkit.datasets import Dataset, DatasetWarning, ice
from labkit.errors import LabkitError
from labkit.neural import Training, train, untrained
from labkit.neural.training.batch_order import Batches
from labkit.neural.training.frames import TrainingFrames
from tests.neural.test_training import SMALL, dimers

FRAMES = ice("train", n=50)
TRUE = {"H": -13.0, "C": -1030.0, "O": -2040.0}


def batches(new: int, share: float, old: int = 10) -> Batches:
    frames = TrainingFrames(FRAMES[: new + old], untrained(FRAMES, **SMALL))
    return Batches(frames, new, Training(replay_share=share, batch=4, seed=3))


@pytest.mark.parametrize(("new", "share", "replayed"), [(20, 0.5, 20), (20, 0.25, 7), (30, 0.9, 270), (8, 0.0, 0)])
def test_an_epoch_has_every_new_frame_once_and_old_ones_in_turn(new, share, replayed) -> None:
    some = batches(new, share)
    seen = np.zeros(10, int)
    for epoch in range(3):
        order = some.order(epoch)
        assert sorted(order[order < new]) == list(range(new)) and (order >= new).sum() == replayed
        seen += np.bincount(order[order >= new] - new, minlength=10)
    assert seen.max() - seen.min() <= 1
    assert not np.array_equal(some.order(0), some.order(1))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    one, other = batches(20, 0.5), batches(20, 0.5)
    assert np.array_equal(one.rows(17), other.rows(17))  # without the steps before
    assert np.array_equal(np.concatenate([one.rows(k) for k in range(10)]), one.order(0))


def shifted() -> tuple[Dataset, Dataset]:
    """Dimers of another spring than those in test_training: two tasks that cannot both be fitted, but for length."""
    old = dimers()
    new = replace(old, forces=old.forces * 0.5, energy=old.energy * 0.5, stress=old.stress * 0.5)
    return old[:12], new[12:]


def test_replayed_frames_are_not_forgotten() -> None:
    """Short dimers were learned first; then long ones come: with replay the short ones stay known."""
    old, new = shifted()
    errors = []
    for replay in (None, old):
        potential = untrained(old + new, **SMALL | {"channels": 16})
        train(potential, old, steps=200, batch=8)
        history = train(potential, new, old, replay=replay, steps=150, rate=1e-3, averaging="ema").history
        errors.append((history[-1]["valid forces"], history[-1]["train forces"]))
        assert ("old forces" in history[-1]) == (replay is not None)
    assert errors[1][0] < 0.5 * errors[0][0]


def test_training_goes_on_from_its_weights() -> None:
    frames = dimers()
    potential = untrained(frames, **SMALL | {"channels": 16})
    first = train(potential, frames, steps=150, batch=8).history[-1]["train forces"]
    again = train(potential, frames, steps=21, batch=8, rate=1e-4).history[0]["train forces"]
    assert again < 2 * first


def test_new_elements_are_refused() -> None:
    potential = untrained(FRAMES, **SMALL)
    many = [FRAMES.atoms[k % 50] for k in range(300)] + [molecule("CH3OH")]  # beyond one chunk of the search
    strange = Dataset.from_atoms([_labelled(a) for a in many], name="mine.xyz")
    with pytest.raises(LabkitError, match="mine.xyz, frame 300, atom 0: C is unknown .* begin with untrained"):
        train(potential, strange, steps=2)
    with pytest.raises(LabkitError, match="mine.xyz, frame 300, atom 0: C is unknown"):
        train(potential, FRAMES[:8], replay=strange, steps=2)


def _labelled(atoms: Atoms, energy: float | None = None) -> Atoms:
    found = atoms.copy()
    found.info = {"energy": sum(TRUE[s] for s in atoms.symbols) - 2.0 * len(atoms) if energy is None else energy}
    return found


def molecules(*names: str, **energies: float) -> Dataset:
    made = [Atoms(n) if len(n) == 1 else molecule(n) for n in names]
    return Dataset.from_atoms([_labelled(a, energies.get(n)) for a, n in zip(made, names, strict=True)], name="set")


def test_e0_of_another_reference_is_refused() -> None:
    frames = molecules("H2O", "CH4", "CO2", "H2")
    good = train(untrained(frames, e0=TRUE, **SMALL), frames, steps=2, batch=4)
    assert good.plan.steps == 2
    other = {"H": -13.0, "C": -148.0, "O": -432.0}  # pseudopotentials
    with pytest.raises(
        LabkitError, match=r"set: e0 leaves .* frame 2 \(CO2\) has .* its atoms alone -1012 eV, .* per at"
    ):
        train(untrained(frames, e0=other, **SMALL), frames, steps=2, batch=4)


def test_new_frames_of_another_reference_are_refused() -> None:
    potential = untrained(FRAMES, **SMALL)
    moved = replace(FRAMES[:8], energy=FRAMES[:8].energy + 27.2 * 12 * 10)
    with pytest.raises(LabkitError, match="seems to belong to another reference"):
        train(potential, moved, steps=2)
    with pytest.raises(LabkitError, match="seems to belong to another reference"):
        train(potential, FRAMES[:8], replay=moved, steps=2)


def test_a_single_frame_of_another_reference_is_named() -> None:
    frames = replace(FRAMES[:20], energy=FRAMES[:20].energy + np.where(np.arange(20) == 13, 240.0, 0.0))
    potential = untrained(FRAMES, **SMALL)
    with pytest.warns(DatasetWarning, match=r"1 of 20 frames have an energy that no bonds can explain .* frame 13 \("):
        train(potential, frames, steps=2)


def test_an_atom_alone_that_contradicts_e0_is_named() -> None:
    frames = molecules("H2O", "CH4", "CO2", "H2", "O", O=-2041.5)
    with pytest.warns(
        DatasetWarning, match="frame 4 is one atom of O with an energy of -2041.5 eV, but e0 of O is -2040"
    ):
        train(untrained(frames, e0=TRUE, **SMALL), frames, steps=2, batch=4)
