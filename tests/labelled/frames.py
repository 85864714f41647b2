"""Frames for tests, rattled, of dynamics or packed at random, and their labels."""

from collections.abc import Iterator

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from labkit.datasets import Dataset


def labelled(frames, calculator: Calculator, stress: bool = True, name: str = "") -> Dataset:
    """The frames with what the calculator says of them; stresses of those that are periodic."""
    out = []
    for atoms in frames:
        atoms = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        atoms.calc = calculator
        found = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        if stress and atoms.pbc.all():
            found["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **found)
        out.append(atoms)
    return Dataset.from_atoms(out, name=name)


def rattled(start: Atoms, count: int, size: float, seed: int = 0, strain: float = 0.0) -> Iterator[Atoms]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        atoms = start.copy()
        if strain:
            change = rng.normal(0, strain, (3, 3))
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.5 * (change + change.T)), scale_atoms=True)
        atoms.positions += rng.normal(0, size, atoms.positions.shape)
        yield atoms


def dynamics(start: Atoms, calculator: Calculator, temperature: float, count: int, stride: int, dt: float, seed: int):
    """`count` frames of Langevin dynamics, one every `stride` steps of dt [fs], after 5 strides."""
    atoms, rng, frames = start.copy(), np.random.default_rng(seed), []
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    friction = 0.02 / units.fs
    md = Langevin(atoms, dt * units.fs, temperature_K=temperature, friction=friction, rng=rng, fixcm=True)
    for k in range(count + 5):
        md.run(stride)
        if k >= 5:
            frames.append(atoms.copy())
    return frames


def packed(symbols: str, size: float, least: float, rng: np.random.Generator) -> Atoms:
    """Atoms at random in a cube of this edge, none nearer than `least`: a start of a random search."""
    numbers = Atoms(symbols).numbers
    atoms = Atoms(cell=[size] * 3, pbc=True)
    while len(atoms) < len(numbers):
        trial = atoms + Atoms([numbers[len(atoms)]], [rng.uniform(0, size, 3)])
        if len(trial) == 1 or trial.get_distances(-1, range(len(trial) - 1), mic=True).min() > least:
            atoms = trial
    return atoms
