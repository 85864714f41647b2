"""Pools of three hydrogen atoms on a Morse potential, most of them alike and a few far from these, and their oracle."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.morse import MorsePotential

from labkit.active.learners import GapLearner
from labkit.active.pool.candidates import unlabelled
from labkit.datasets import Dataset
from labkit.errors import LabkitError, Stopped
from labkit.gap import Distance2b, GapConfig
from labkit.oracles import CalculatorOracle, Oracle, Unconverged, structure_hash
from labkit.oracles.settings import NOT_HASHED

MORSE = CalculatorOracle("Morse", lambda: MorsePotential(rho0=2.0, rcut1=9.0, rcut2=10.0), {})
CONFIG = GapConfig(
    (Distance2b(cutoff=4.0, n_sparse=20, delta=1.0),), sigma_energy=1e-3, sigma_force=1e-2, sigma_virial=None, e0=0.0
)


def mixture(n, rare=0.05, seed=0):
    """Trimers near their minimum; a part `rare` is stretched to between 1.5 and 2.2 Å. info["kind"] says which."""
    random, frames = np.random.default_rng(seed), []
    far = set(random.choice(n, round(rare * n), replace=False).tolist())
    for k in range(n):
        side = random.uniform(1.5, 2.2) if k in far else 1.0
        triangle = side * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]])
        atoms = Atoms("H3", triangle + random.normal(scale=0.04, size=(3, 3)))
        atoms.info["kind"] = "rare" if k in far else "narrow"
        frames.append(atoms)
    return frames


def pool(n=60, rare=0.05, seed=0):
    return unlabelled(mixture(n, rare, seed), name="trimers")


def labelled(n, rare=0.05, seed=1):
    return Dataset.from_atoms(list(MORSE.label(mixture(n, rare, seed))), name="labelled trimers")


def learner():
    return GapLearner(CONFIG)


NUMBERS = {structure_hash(atoms): k for k, atoms in enumerate(mixture(60))}


@dataclass(frozen=True)
class Recorded(Oracle):
    """The Morse potential, which writes down each call; frames (numbers in pool()) that fail, do not converge, hang."""

    kind = "recorded"
    log: Path = field(metadata=NOT_HASHED)
    pause: float = field(default=0.0, metadata=NOT_HASHED)
    fail: tuple = field(default=(), metadata=NOT_HASHED)
    unconverged: tuple = field(default=(), metadata=NOT_HASHED)
    hang: tuple = field(default=(), metadata=NOT_HASHED)
    bug: tuple = field(default=(), metadata=NOT_HASHED)
    depth: float = 1.0

    @property
    def name(self):
        return f"recorded Morse, {self.depth:g} eV"

    def compute(self, atoms, should_stop=lambda: False):
        number = NUMBERS[structure_hash(atoms)]
        self.note("begin", number)
        deadline = time.monotonic() + self.pause
        while time.monotonic() < deadline or number in self.hang:
            if should_stop():
                raise Stopped
            time.sleep(0.001)
        if number in self.bug:
            raise ZeroDivisionError("division by zero")
        if number in self.fail:
            self.note("fail", number)
            raise LabkitError("the program crashed")
        if number in self.unconverged:
            raise Unconverged("the SCF did not converge")
        label = MORSE.compute(atoms)
        self.note("end", number)
        return label

    def note(self, what, number):
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # whole lines, also of several processes
        os.write(handle, f"{what} {number}\n".encode())
        os.close(handle)

    def events(self, what="begin"):
        lines = [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [int(number) for kind, number in lines if kind == what]
