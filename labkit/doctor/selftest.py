"""A self-test in seconds: a GAP of shipped frames, whose forces must be the negative gradient of its energy."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from labkit.datasets import ice
from labkit.doctor.check import INSTALL, Check
from labkit.gap import Design, GapConfig, Soap

AGREEMENT = 1e-5  # eV/Å between forces and finite differences of the energy with a step of 1e-4 Å


def selftest() -> Iterator[Check]:
    """Train a small GAP on shipped frames; its forces must be the negative gradient of its energy."""
    start = time.perf_counter()
    train = ice("train", n=50)[:6]
    soap = Soap(cutoff=3.5, n_max=4, l_max=3, atom_sigma=0.5, zeta=2, delta=1.0, n_sparse=30)
    model = Design.build(train, GapConfig(descriptors=(soap,))).solve(sigma_energy=0.001, sigma_force=0.05)
    difference = force_difference(train.atoms[0].copy(), model.calculator())
    seconds = time.perf_counter() - start
    good = difference < AGREEMENT
    found = f"a GAP in {seconds:.1f} s; its forces match finite differences of its energy to {difference:.0e} eV/Å"
    mend = "" if good else f"reinstall with the tested versions: {INSTALL}"
    yield Check("self-test", "ok" if good else "fail", found, mend)


def force_difference(atoms: Atoms, calculator: BaseCalculator, step: float = 1e-4) -> float:
    """Return the largest |F - (-dE/dx)| (eV/Å) over one atom's three coordinates, with steps in Å."""
    atoms.calc = calculator
    forces, start, worst = atoms.get_forces(), atoms.get_positions(), 0.0
    for axis in range(3):
        energies = []
        for sign in (1, -1):
            moved = start.copy()
            moved[0, axis] += sign * step
            atoms.set_positions(moved)
            energies.append(atoms.get_potential_energy())
        slope = (energies[0] - energies[1]) / (2 * step)
        worst = max(worst, abs(forces[0, axis] + slope))
    return worst
