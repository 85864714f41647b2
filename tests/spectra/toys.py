"""A harmonic crystal whose modes, dipole and polarizability are known, moved by the engine with exact amplitudes."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from ase import Atoms

from labkit.base import Evaluation, Potential, State
from labkit.units import FORCE_TO_ACCELERATION, KB, KINETIC, WAVENUMBER

FREQUENCIES = np.array([300.0, 520.0, 800.0, 1100.0, 1400.0, 1700.0, 2100.0, 2900.0, 3500.0])  # cm⁻¹
TEMPERATURE = 250.0
#: km/mol of (D/Å)²/u, as textbooks and programs have it
TEXTBOOK, DEBYE = 42.2561, 4.80320471


class Harmonic(Potential):
    """½ uᵀ H u of displacements u of one system, or of replicas of it."""

    cutoff = 0.0

    def __init__(self, atoms: Atoms, frequencies: np.ndarray = FREQUENCIES, seed: int = 0) -> None:
        super().__init__()
        self.atoms = atoms
        n, root = len(atoms), np.sqrt(atoms.get_masses())
        random = np.random.default_rng(seed)
        rigid = np.kron(root[:, None], np.eye(3))
        basis = np.linalg.qr(np.hstack([rigid, random.normal(size=(3 * n, 3 * n - 3))]))[0][:, 3:]
        omega = 2 * np.pi * WAVENUMBER * np.asarray(frequencies)
        weighted = basis * (np.sign(omega) * omega**2 / FORCE_TO_ACCELERATION) @ basis.T
        weight = np.repeat(root, 3)
        self.vectors = basis.T.reshape(-1, n, 3)  # (K, n, 3)
        self.omega = omega
        self.register_buffer("hessian", torch.as_tensor(weighted * weight[:, None] * weight))
        self.register_buffer("rest", torch.as_tensor(atoms.positions))

    def evaluate(self, state, *, forces=True, **wanted):
        moved = (state.positions.unflatten(0, (-1, len(self.rest))) - self.rest).flatten(1)
        pull = -moved @ self.hessian
        return Evaluation(-0.5 * (moved * pull).sum(1), pull.reshape(-1, 3))


def crystal() -> Atoms:
    return Atoms("OH2C", [[0, 0, 0], [1.0, 0, 0], [0, 1.1, 0], [0, 0, 1.3]], cell=[5.0, 6.0, 7.0], pbc=True)


@cache
def harmonic() -> Harmonic:
    return Harmonic(crystal())


def charges(seed: int = 1) -> torch.Tensor:
    """Z* (4, 3, 3) e that add up to zero."""
    found = torch.as_tensor(np.random.default_rng(seed).normal(size=(4, 3, 3)))
    return found - found.mean(0)


class Charges:
    """The same Born charges everywhere, of M members that differ by a factor."""

    cutoff = 0.5

    def __init__(self, factors=None) -> None:
        self.factors = factors

    def __call__(self, system, positions, cell, neighbours):
        here = charges().repeat(system.n_systems, 1, 1)
        return here if self.factors is None else torch.stack([f * here for f in self.factors])


class Linear:
    """α = 5 Å^3 + Σ_i A_i · u_i with symmetric A; in every system of the batch."""

    cutoff = 0.5

    def __init__(self, potential: Harmonic) -> None:
        slope = torch.as_tensor(np.random.default_rng(2).normal(size=(4, 3, 3, 3)))  # atom, direction, α
        self.slope, self.rest = 0.5 * (slope + slope.mT), potential.rest

    def __call__(self, system, positions, cell, neighbours):
        moved = positions.unflatten(0, (-1, 4)) - self.rest
        return 5.0 * torch.eye(3).to(moved) + torch.einsum("snc,ncab->sab", moved, self.slope)


def start(potential: Harmonic, copies: int, dt: float, seed: int = 0) -> State:
    """Replicas in which each mode has the energy k_BT exactly, as velocity Verlet has it, and a random phase."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (copies, len(potential.omega)))
    speed = np.sqrt(2 * KB * TEMPERATURE / KINETIC)  # its mean square is k_BT
    half = 0.5 * potential.omega * dt
    q, p = speed / (potential.omega * np.sqrt(1 - half**2)) * np.cos(phase), -speed * np.sin(phase)
    shape = potential.vectors / np.sqrt(potential.atoms.get_masses())[:, None]
    state = State.from_atoms([potential.atoms] * copies)
    moved = [torch.as_tensor(np.einsum("sk,kna->sna", value, shape).reshape(-1, 3)) for value in (q, p)]
    return state.replace(positions=state.positions + moved[0], velocities=moved[1])
