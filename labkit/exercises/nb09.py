"""Expected answers of notebook 09_neural_potentials."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from labkit.base import Potential, State
from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.neural import WatchedTraining

CUTOFF, LAYERS, AVERAGED = 4.5, 2, 5


@exercise("09.1", "How far a network sees", unit="Å")
def range_of_messages() -> Expected:
    """(layers + 1) · cutoff."""
    mistakes = {
        CUTOFF: "That is how far one message goes; it is passed on.",
        LAYERS * CUTOFF: "Each layer sends a message, but one was sent before the first layer.",
        (LAYERS + 2) * CUTOFF: "One message to begin with, and one in each layer.",
    }
    why = "It is what it can feel; most of what it does feel is nearer."
    return Expected((LAYERS + 1) * CUTOFF, abs=1e-6, mistakes=mistakes, why=why)


@exercise("09.2", "The rotation test", unit="eV/Å")
def rotation(potential: Potential, atoms: Atoms) -> Expected:
    """0, up to the precision of single numbers, of forces of some eV/Å."""
    forces = potential.evaluate(State.from_atoms(atoms)).forces.numpy()
    turned = Atoms(atoms.numbers, forces)
    turned.rotate(40, (1, 2, 3))
    fixed = atoms.copy()
    fixed.rotate(40, (1, 2, 3), rotate_cell=False)
    wrong_cell = potential.evaluate(State.from_atoms(fixed)).forces.numpy()
    mistakes = {
        float(
            np.abs(turned.positions - forces).max()
        ): "The forces of the turned frame are compared with those of the frame as it was; rotate these first.",
        float(np.abs(turned.positions - wrong_cell).max()): "The atoms are turned, but not the cell: rotate_cell=True.",
    }
    why = "Seven digits of forces of some eV/Å; in double precision it is a billion times smaller."
    return Expected(0.0, abs=1e-3, mistakes=mistakes, why=why)


@exercise("09.3", "Where the loss jumped")
def best_step(training: WatchedTraining) -> Expected:
    """The step at the end of the five whose mean loss is smallest."""
    losses = np.array(training.losses)
    if len(losses) < 2 * AVERAGED:
        raise LabkitError(f"the training has {len(losses)} steps, expected {2 * AVERAGED} or more; run the cell above")
    found = int(np.convolve(losses, np.ones(AVERAGED) / AVERAGED, "valid").argmin())
    mistakes = {
        found: "That is the first of the five steps, counted from 0; give the step after which the mean was reached.",
        int(losses.argmin()): "That is a single loss, of one batch; take the mean of five.",
    }
    right = AVERAGED + found
    rate = training.rates[right - 1]
    why = f"The rate was {rate:.2g} there: up to this rate the network still learned."
    return Expected(right, abs=1.5, mistakes={k: v for k, v in mistakes.items() if abs(k - right) > 1.5}, why=why)


@exercise("09.4", "A warning that is too small")
def underestimated(wrong: np.ndarray, committee: np.ndarray, layer: np.ndarray) -> Expected:
    """True error over the committee's spread for the longest bond."""
    right = float(wrong[-1] / committee[-1])
    mistakes = {
        float(committee[-1] / wrong[-1]): "Upside down: divide the error by the spread.",
        float(wrong[-1] / layer[-1]): "That is the spread of the last layer; take that of the committee.",
        float(wrong[-1] - committee[-1]): "That is the difference; give the factor.",
        float(wrong[0] / committee[0]): "That is at 0.8 Å, the first entry; take the last.",
    }
    why = "A spread ranks structures; how large an error is has to be calibrated, and far outside no calibration holds."
    return Expected(right, rel=0.02, mistakes={k: v for k, v in mistakes.items() if abs(k / right - 1) > 0.04}, why=why)
