"""Normal modes of a structure, and harmonic Boltzmann samples along them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.errors import LabkitError, Stopped
from labkit.units import FORCE_TO_ACCELERATION, KB


@dataclass(frozen=True, eq=False)
class NormalModes:
    """Eigenvectors of the mass-weighted Hessian, translations left out: D = M^-1/2 H M^-1/2, D u = k u.

    minimum    the structure of N atoms around which they were taken
    stiffness  (m,)       k [eV/(Å^2 u)], ascending
    modes      (m, 3 N)   M^-1/2 u [u^-1/2], displacement per mass-weighted amplitude

    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> from ase.optimize import BFGS
    >>> n2 = molecule("N2")
    >>> n2.calc = EMT()
    >>> _ = BFGS(n2, logfile=None).run(fmax=1e-4)
    >>> modes = NormalModes.of(n2, EMT(), rotations=True)
    >>> len(modes.frequencies), len(modes.sample(300.0, 5, seed=1))
    (1, 5)
    """

    minimum: Atoms
    stiffness: np.ndarray
    modes: np.ndarray

    @classmethod
    def of(
        cls,
        minimum: Atoms,
        calculator: Calculator,
        step: float = 0.01,
        rotations: bool = False,
        progress: Progress = NO_PROGRESS,
    ) -> NormalModes:
        """Central differences of the calculator's forces, `step` in Å; `rotations=True` also leaves out rotations."""
        roots = np.repeat(np.sqrt(minimum.get_masses()), 3)
        hessian = _hessian(minimum, calculator, step, progress)
        rigid = _rigid(minimum, rotations) * roots[:, None]
        basis, scale, _ = np.linalg.svd(rigid, full_matrices=True)
        inner = basis[:, int((scale > 1e-8 * scale[0]).sum()) :]
        weighted = inner.T @ (hessian / np.outer(roots, roots)) @ inner
        stiffness, vectors = np.linalg.eigh(weighted)
        bare = minimum.copy()
        bare.calc = None
        return cls(bare, stiffness, (inner @ vectors).T / roots)

    @property
    def frequencies(self) -> np.ndarray:
        """Angular frequencies [rad/fs], (m,); negative where the structure is no minimum along a mode."""
        return np.sign(self.stiffness) * np.sqrt(np.abs(self.stiffness) * FORCE_TO_ACCELERATION)

    def sample(self, temperature: float, n: int, seed: int = 0, lowest: float = 0.02) -> list[Atoms]:
        """Draw `n` frames of the classical harmonic Boltzmann distribution at `temperature` [K].

        Each amplitude is normal with variance k_B T / k. Modes softer than `lowest` [rad/fs; 0.02 is 106 cm^-1], also
        those with a negative stiffness, are taken as stiff as that: the harmonic picture fails there, and another
        method's modes need not be at rest in this minimum.
        """
        if temperature <= 0 or n < 1:
            raise LabkitError(f"temperature {temperature} K and n {n}: expected both above 0")
        stiffness = np.maximum(self.stiffness, lowest**2 / FORCE_TO_ACCELERATION)
        random = np.random.default_rng(seed)
        amplitudes = random.standard_normal((n, len(stiffness))) * np.sqrt(KB * temperature / stiffness)
        frames = []
        for i, displacement in enumerate((amplitudes @ self.modes).reshape(n, -1, 3)):
            atoms = self.minimum.copy()
            atoms.positions += displacement
            atoms.info = {"sample": i, "temperature": temperature, "seed": seed}
            frames.append(atoms)
        return frames


def _hessian(minimum: Atoms, calculator: Calculator, step: float, progress: Progress) -> np.ndarray:
    work, n = minimum.copy(), 3 * len(minimum)
    work.calc = calculator
    hessian = np.zeros((n, n))
    for i in range(n):
        if progress.should_stop():
            raise Stopped("the normal modes were stopped")
        forces: Callable[[float], np.ndarray] = lambda h, i=i: _forces(work, minimum, i, h)  # noqa: E731
        hessian[i] = -(forces(step) - forces(-step)) / (2 * step)
        progress.update(i + 1, n)
    return (hessian + hessian.T) / 2


def _forces(work: Atoms, minimum: Atoms, coordinate: int, shift: float) -> np.ndarray:
    positions = minimum.positions.copy()
    positions.flat[coordinate] += shift
    work.positions = positions
    return work.get_forces().ravel()


def _rigid(minimum: Atoms, rotations: bool) -> np.ndarray:
    axes = np.eye(3)
    columns = [np.tile(axis, len(minimum)) for axis in axes]
    if rotations:
        arms = minimum.positions - minimum.get_center_of_mass()
        columns += [np.cross(axis, arms).ravel() for axis in axes]
    return np.array(columns).T
