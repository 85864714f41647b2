"""Exercises of notebook 09: what is right, from the definition, and sentences for what is nearly so."""

from dataclasses import dataclass

import numpy as np
import pytest

from labkit.base import State
from labkit.errors import LabkitError
from labkit.exercises.nb09 import best_step, range_of_messages, rotation, underestimated
from labkit.neural import untrained


@dataclass
class Curves:
    losses: tuple
    rates: np.ndarray


def test_the_range():
    found = range_of_messages()
    assert (
        found.right(13.5) and "one message goes" in found.mistake(4.5) and "before the first layer" in found.mistake(9)
    )


def test_a_rotation(ice):
    potential, atoms = untrained(ice[:4], channels=8, cutoff=3.0), ice.atoms[0]
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    before, after = (potential.evaluate(State.from_atoms(each)).forces.numpy() for each in (atoms, turned))
    arrows = type(atoms)(atoms.numbers, before)
    arrows.rotate(40, (1, 2, 3))
    found = rotation(potential, atoms)
    assert found.right(np.abs(after - arrows.positions).max())
    assert "rotate these first" in found.mistake(float(np.abs(after - before).max()))


def test_where_the_loss_jumped():
    losses = np.concatenate([np.linspace(2, 0.1, 50), np.full(60, 3.0)])
    found = best_step(Curves(tuple(losses), np.linspace(0, 1, 110)))
    assert found.right(50) and "counted from 0" in found.mistake(45)
    with pytest.raises(LabkitError, match="has 8 steps"):
        best_step(Curves((1.0,) * 8, np.ones(8)))


def test_a_spread_that_is_too_small():
    found = underestimated(np.array([0.4, 0.3]), np.array([0.2, 0.1]), np.array([0.3, 0.2]))
    assert found.right(3.0) and "Upside down" in found.mistake(1 / 3) and "last layer" in found.mistake(1.5)
