"""Normal modes: of a molecule against ASE, at a saddle, projected; derivatives of tensors against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.vibrations import Vibrations
from polarizability.cells import SMALL, fitted, ice, waters
from spectra.toys import Harmonic, crystal

from labkit.base import AsePotential, State, find_neighbours
from labkit.engine import lbfgs
from labkit.errors import LabkitError
from labkit.polarizability import TensorDesign
from labkit.spectra import Intensities, NormalModes, normal_modes, under_verlet


def test_a_molecule_against_ase(tmp_path) -> None:
    """EMT's water: three vibrations, rotations and translations left out."""
    potential = AsePotential(EMT())
    state = lbfgs(State.from_atoms(molecule("H2O")), potential, fmax=1e-5, steps=400)
    found = normal_modes(state, potential)
    atoms = state.to_atoms()[0]
    atoms.calc = EMT()
    theirs = Vibrations(atoms, delta=1e-3, name=str(tmp_path / "vib"))
    theirs.run()
    assert found.frequency.shape == (3,)
    np.testing.assert_allclose(found.frequency, theirs.get_frequencies().real[-3:], rtol=2e-3)


def test_a_line_of_atoms_turns_in_two_ways_only() -> None:
    potential = AsePotential(EMT())
    state = lbfgs(State.from_atoms(Atoms("N2", [[0, 0, 0], [0, 0, 1.1]])), potential, fmax=1e-5)
    assert normal_modes(state, potential).frequency.shape == (1,)


def test_unstable_modes_are_negative_and_large_forces_refused() -> None:
    frequencies = np.array([-400.0, *range(300, 1100, 100)])
    potential = Harmonic(crystal(), frequencies)
    state = State.from_atoms(crystal())
    np.testing.assert_allclose(normal_modes(state, potential).frequency, frequencies, rtol=1e-5)
    moved = state.replace(positions=state.positions + 0.1 * torch.eye(4, 3))
    with pytest.raises(LabkitError, match="not a minimum: the largest force"):
        normal_modes(moved, potential)
    with pytest.raises(LabkitError, match="holds 2 systems"):
        normal_modes(State.batch([state, state], seed=1), potential)


def test_derivatives_of_the_polarizability_against_autograd() -> None:
    model, frames = fitted(), ice()[0]
    state = State.from_atoms(frames.atoms[40])
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(36, 5)))[0].T.reshape(5, 12, 3)
    modes = NormalModes(state, np.arange(5) * 100.0, vectors)
    found = modes.intensities(polarizability=model, step=0.002).polarizability
    near = find_neighbours(state.system, state.positions, state.cell, model.cutoff)

    def tensor(positions: torch.Tensor) -> torch.Tensor:
        return model(state.system, positions, state.cell, near)[0]

    slope = torch.autograd.functional.jacobian(tensor, state.positions).numpy()  # (3, 3, n, 3)
    expected = np.einsum("abic,kic->kab", slope, modes.displacements)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    two = modes.intensities(polarizability=[model, model], step=0.002).polarizability
    np.testing.assert_allclose(two, found, atol=1e-9)


def test_dipole_derivatives_of_born_charges_against_displaced_dipoles() -> None:
    """A model of the charges -dM/dr of the waters' dipole: here the current and the sticks have their convention."""
    frames = waters()
    design = TensorDesign.build(frames, "born_charges", **SMALL)
    model = design.solve(1e-8)
    state = State.from_atoms(frames[0])
    moves = np.random.default_rng(1).normal(size=(2, 3, 3))
    found = NormalModes(state, np.zeros(2), moves).intensities(born_charges=model).dipole
    charges = frames[0].arrays["born_charges"].reshape(3, 3, 3)
    charges = charges - charges.mean(0)
    root = np.sqrt(frames[0].get_masses())
    expected = sum(charges[i] @ moves[:, i].T / root[i] for i in range(3)).T
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())


def test_what_was_not_asked_for_is_missed_in_words() -> None:
    empty = Intensities(np.array([100.0]))
    with pytest.raises(LabkitError, match="give born_charges="):
        empty.infrared  # noqa: B018
    with pytest.raises(LabkitError, match="give polarizability="):
        empty.activity  # noqa: B018


def test_verlet_shifts_fast_modes_up() -> None:
    assert under_verlet(np.array([3000.0]), 1.0)[0] == pytest.approx(3000 * 1.01377, rel=1e-3)
    np.testing.assert_allclose(under_verlet(np.array([3000.0]), 1e-3), 3000.0, rtol=1e-7)
