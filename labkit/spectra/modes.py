"""Normal modes at a minimum, and the derivatives of dipole and polarizability along each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from labkit.base import NO_PROGRESS, Potential, Progress, State, find_neighbours
from labkit.engine import largest_force
from labkit.engine.held import refuse_held
from labkit.errors import LabkitError
from labkit.polarizability import TensorModel
from labkit.spectra.hessian import displaced, hessian
from labkit.spectra.intensities import Intensities
from labkit.spectra.models import Members, Tensors
from labkit.units import FORCE_TO_ACCELERATION, WAVENUMBER

AMPLITUDE = 0.25  # Å, of the atom that moves farthest in a mode that is shown


@dataclass(frozen=True, eq=False)
class NormalModes:
    """Vibrations of one system at a minimum, Q̈_k = -ω_k² Q_k with Q in Å u^½, translations (and rotations) left out.

    state      the minimum
    frequency  (K,) cm⁻¹, ascending; imaginary ones are negative
    vectors    (K, n, 3) orthonormal, of mass-weighted displacements: r_i = r_i⁰ + Q_k e_k,i / √m_i
    """

    state: State
    frequency: np.ndarray
    vectors: np.ndarray

    @property
    def displacements(self) -> np.ndarray:
        """dr_i/dQ_k = e_k,i / √m_i, (K, n, 3) u^-½."""
        return self.vectors / np.sqrt(self.state.system.masses.cpu().numpy())[:, None]

    def frames(self, mode: int, *, amplitude: float = AMPLITUDE, count: int = 16) -> list[Atoms]:
        """One period of a mode in `count` structures: r_i = r_i⁰ + A sin(2π t) e_k,i / √m_i, the first at rest.

        amplitude  Å, of the atom that moves farthest
        """
        if not 0 <= mode < len(self.frequency):
            raise LabkitError(f"mode {mode}: expected 0 to {len(self.frequency) - 1}")
        rest, (move, found) = self.state.to_atoms()[0], (self.displacements[mode], [])
        move = amplitude * move / np.linalg.norm(move, axis=1).max()
        for phase in np.arange(count) / count:
            moved = Atoms(rest.numbers, rest.positions + np.sin(2 * np.pi * phase) * move, cell=rest.cell, pbc=rest.pbc)
            found.append(moved)
        return found

    def intensities(
        self,
        *,
        polarizability: Tensors | Sequence[TensorModel] | None = None,
        born_charges: Tensors | Sequence[TensorModel] | None = None,
        step: float = 0.005,
    ) -> Intensities:
        """dM/dQ from Born charges at the minimum, dα/dQ by central differences, all modes in one batch.

        step  Å, displacement to either side of the atom that moves farthest
        """
        moves = torch.as_tensor(self.displacements).to(self.state.positions)
        dipole = change = None
        if born_charges is not None:
            here = _tensors(Members(born_charges, "born_charges"), self.state).mean(0)
            dipole = torch.einsum("iab,kib->ka", here, moves).cpu().numpy()
        if polarizability is not None:
            members = Members(polarizability, "polarizability")
            size = step / moves.norm(dim=2).amax(1)[:, None, None]
            shifts = torch.cat([size * moves, -size * moves])
            found = torch.cat([_tensors(members, part).mean(0) for part in displaced(self.state, shifts)])
            plus, minus = found.unflatten(0, (2, -1))
            change = ((plus - minus) / (2 * size)).cpu().numpy()
        return Intensities(self.frequency, dipole, change)


def normal_modes(
    state: State, potential: Potential, *, step: float = 1e-3, fmax: float = 0.01, progress: Progress = NO_PROGRESS
) -> NormalModes:
    """Modes of the mass-weighted Hessian -dF_i/dr_j / √(m_i m_j), by central differences of forces in batches.

    Translations, and the rotations of an open system, are projected out before it is diagonalised.

    step  Å, displacement to either side; the error is of its second order
    fmax  eV/Å, largest force at which the state counts as a minimum

    Raises LabkitError for a batch of several systems, for held atoms, and for a state with larger forces; Stopped on
    request.

    >>> relaxed = lbfgs(state, potential, fmax=1e-4)  # doctest: +SKIP
    >>> normal_modes(relaxed, potential).frequency  # doctest: +SKIP
    """
    if state.system.n_systems != 1:
        raise LabkitError(
            f"the batch holds {state.system.n_systems} systems; give normal_modes a single one, as State.from_atoms("
            "state.to_atoms()[0])"
        )
    refuse_held(
        state.system, "normal_modes", "modes involve all atoms: give each of them a mass, as State.from_atoms does"
    )
    rest = state.replace(forces=potential.evaluate(state).forces)
    if (largest := float(largest_force(rest))) > fmax:
        raise LabkitError(
            f"the state is not a minimum: the largest force is {largest:.3g} eV/Å, above fmax={fmax:g}; relax it: "
            "lbfgs(state, potential, fmax=1e-4)"
        )
    curvature = hessian(state, potential, step, progress)
    weight = state.system.masses.sqrt().repeat_interleave(3)
    weighted = curvature / (weight[:, None] * weight)
    inner = _vibrating(state).to(weighted)
    values, vectors = torch.linalg.eigh(inner.mT @ weighted @ inner)
    values = values * FORCE_TO_ACCELERATION
    frequency = values.sign() * values.abs().sqrt() / (2 * np.pi * WAVENUMBER)
    return NormalModes(rest, frequency.cpu().numpy(), (inner @ vectors).mT.unflatten(1, (-1, 3)).cpu().numpy())


def under_verlet(frequency: np.ndarray, dt: float) -> np.ndarray:
    """The frequencies that velocity Verlet with steps of dt [fs] shows for harmonic ones [cm⁻¹]: (2/dt) arcsin(ω dt/2).

    >>> under_verlet(np.array([500.0, 3500.0]), 0.5).round(1).tolist()
    [500.0, 3516.0]
    """
    half = np.pi * WAVENUMBER * np.asarray(frequency) * dt
    return np.arcsin(half) / (np.pi * WAVENUMBER * dt)


@torch.no_grad()
def _tensors(members: Members, state: State) -> Tensor:
    near = find_neighbours(state.system, state.positions, state.cell, members.cutoff)
    return members(state.system, state.positions, state.cell, near)


def _vibrating(state: State) -> Tensor:
    """Orthonormal columns (3n, K) of mass-weighted displacements without translations, and rotations if open."""
    root = state.system.masses.sqrt()[:, None, None]
    rigid = [torch.eye(3).to(root).expand(len(root), 3, 3)]
    if not bool(state.system.pbc.any()):
        centre = (root[:, :, 0] ** 2 * state.positions).sum(0) / root.square().sum()
        arms = (state.positions - centre)[:, None, :].expand(-1, 3, -1)
        rigid.append(torch.linalg.cross(torch.eye(3).to(root).expand_as(arms), arms).mT)
    columns = torch.cat([root * part for part in rigid], 2).flatten(0, 1)
    u, s, _ = torch.linalg.svd(columns, full_matrices=True)
    return u[:, int((s > 1e-6 * s[0]).sum()) :]
