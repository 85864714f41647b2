"""All compiled kernels once, on small systems: run with NUMBA_BOUNDSCHECK=1 every index of theirs is checked.

Prints what no call has compiled. Where an array is indexed beyond its end numba raises IndexError, which in a loop of
threads becomes a SystemError: either ends this script.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import numba
import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from numba.core.registry import CPUDispatcher

import labkit.engine.kernels as engine
import labkit.engine.noise_kernels as noise
import labkit.folding.kernels as folding
import labkit.mobility.kernels as mobility
import labkit.neural.networks.kernels as neural
from labkit.base import State, System
from labkit.engine import Constraints
from labkit.folding import NativeContacts, Rmsd
from labkit.forcefield import (
    Contacts,
    Coulomb,
    ForceField,
    GeneralizedBorn,
    HarmonicAngles,
    HarmonicBonds,
    HarmonicImpropers,
    LennardJones,
    Nbfix,
    Pairs14,
    Pme,
    RyckaertBellemans,
    Torsions,
)
from labkit.forcefield.fast import kernels
from labkit.forcefield.fast.kernels import born, nonbonded
from labkit.forcefield.fast.kernels.slots import ROOM
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.neural import NeuralConfig, NeuralPotential
from tests.forcefield.terms.all_terms import TERMS, frame

random = np.random.default_rng(0)
OF_FORCEFIELDS = [import_module(f"{kernels.__name__}.{found.name}") for found in iter_modules(kernels.__path__)]
MODULES = (engine, noise, folding, mobility, neural, *OF_FORCEFIELDS)


def state_of(counts: list[int], side: float, pbc: tuple[bool, bool, bool]) -> State:
    """Systems of atoms on a crooked grid, some far outside of a skewed, left-handed cell."""
    positions, cell = [], side * np.array([[1.0, 0.1, 0.0], [0.2, 1.0, 0.1], [-0.1, 0.3, -1.0]])
    for count in counts:
        edge = int(np.ceil(count ** (1 / 3)))
        grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3), -1).reshape(-1, 3)[:count] / edge
        far = random.integers(-3, 4, grid.shape) * pbc
        positions.append((grid + far + 0.2 / edge * random.uniform(-1, 1, grid.shape)) @ cell)
    index = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    where, masses = torch.from_numpy(np.concatenate(positions)), torch.full((len(index),), 12.0, dtype=torch.float64)
    system = System(torch.full((len(index),), 6), masses, index, torch.tensor([pbc] * len(counts)))
    return State(system, where, torch.from_numpy(np.array([cell] * len(counts))), torch.zeros_like(where))


def evaluate(state: State, threads: int = 1, pair_dtype: torch.dtype = torch.float64, **terms) -> int:
    """Evaluate terms by kernels; the most slots of a cluster in a list."""
    nonbonded.WORK_PER_THREAD = born.WORK_PER_THREAD = 1 if threads > 1 else 1 << 60  # of LABKIT_THREADS
    forcefield = ForceField(terms, state.system.n_atoms, pair_dtype=pair_dtype)
    forcefield.evaluate(state)
    found = forcefield.evaluate(state, stress=bool(state.system.pbc.all()))  # by the list that is kept
    assert bool(torch.isfinite(found.forces).all())
    lists = [k._kept[1] for k in forcefield.__dict__["_kernels"].kernels if getattr(k, "_kept", None)]
    return max((int(np.diff(found.first).max()) for found in lists), default=0)


def pair_terms() -> None:
    """Pairs with and without images and cutoff, exclusions, several systems, more slots than a buffer has room for.

    Of the kernel of pairs two versions are compiled: a version takes seconds.
    """
    several, tiny = state_of([1, 9, 30, 5], 9.0, (True, False, True)), state_of([12], 4.0, (True, True, True))
    n = several.system.n_atoms
    excluded = [[1, 2], [2, 3], [1, 9], [10, 25], [38, 39]]
    sigma, epsilon, charges = random.uniform(0.2, 0.6, n), random.uniform(0.0, 0.01, n), random.normal(size=n)
    terms = {
        "lj": LennardJones(sigma, epsilon, excluded, cutoff=6.1),
        "rf": Coulomb(charges, excluded, cutoff=6.1, dielectric=20.0),
    }
    evaluate(several, 1, **terms)
    evaluate(several, 2, **terms)
    open_, m = state_of([ROOM + 60], 40.0, (False, False, False)), ROOM + 60
    terms = {"lj": LennardJones(np.full(m, 0.3), np.full(m, 0.003), [[0, ROOM]]), "q": Coulomb(np.ones(m), [[0, ROOM]])}
    assert evaluate(open_, 2, **terms) > ROOM
    for cutoff, nodes in ((13.3, 4), (3.0, 7)):  # a mesh of fewer points than an atom has
        pme = Pme(charges[:12], [[0, 1], [2, 9]], cutoff, alpha=1.0, mesh_spacing=2.0, nodes=nodes)
        lj = LennardJones(sigma[:12], epsilon[:12], [[0, 1], [2, 9]], cutoff, switch=0.8 * cutoff)
        assert evaluate(tiny, 2, torch.float32, lj=lj, pme=pme) > ROOM or cutoff < 4.0
    table = np.array([[3.0, 1.0], [1.0, 2.0]]) * 1e-3
    evaluate(several, nbfix=Nbfix(np.arange(n) % 2, table, table, excluded, 6.1, switch=4.0))
    evaluate(tiny, nbfix=Nbfix(np.arange(12) % 2, table, table))


def implicit_solvent() -> None:
    """One system after another, a thread for each, and threads that divide one."""
    several, large = state_of([7, 1, 20], 9.0, (True, True, False)), state_of([ROOM + 30], 60.0, (False, False, False))
    n, m = several.system.n_atoms, large.system.n_atoms
    neck = (np.arange(n) % 2, np.full((2, 2), 0.01), np.full((2, 2), 3.0))
    radii, screen, more = np.full(n, 1.3), np.full(n, 0.3), {"neck_scale": 0.1, "kappa": 0.1, "cutoff": 11.0}
    for threads in (1, 2):
        evaluate(several, threads, born=GeneralizedBorn(np.ones(n), radii, screen, neck=neck, **more))
    assert evaluate(large, 2, born=GeneralizedBorn(np.ones(m), np.full(m, 1.3), np.full(m, 0.3))) > ROOM


def bonded_terms() -> None:
    open_ = State.from_atoms(frame(1, pbc=False))
    for name, term in TERMS.items():
        if not isinstance(term, PairTerm):
            evaluate(open_, **{name: term})
    chain = state_of([9, 9], 9.0, (False, False, False))
    rows = np.array([[i, i + 1, i + 2, i + 3] for i in (*range(6), *range(9, 15))])
    evaluate(
        chain,
        bonds=HarmonicBonds(rows[:, :2], 1.0, 1.0),
        angles=HarmonicAngles(rows[:, :3], 1.0, 2.0),
        pairs14=Pairs14(rows[:, ::3], 0.1, 1.0, 0.01),
        contacts=Contacts(rows[:, ::3], 1.0, [0.0, 0.1] * 6),
        series=Torsions(rows, n=3, phase=0.3, k=0.1),
        cosine=Torsions(rows, n=3.5, phase=0.3, k=0.1),
        rb=RyckaertBellemans(rows, random.normal(size=(len(rows), 6))),
        impropers=HarmonicImpropers(rows, 1.0, 0.3),
    )
    images, few = state_of([9, 9], 9.0, (True, True, False)), rows[:2]
    evaluate(
        images, bonds=HarmonicBonds(few[:, :2], 1.0, 1.0, periodic=True), t=Torsions(few, 3, 0.3, 0.1, periodic=True)
    )
    line = chain.replace(positions=torch.arange(18.0, dtype=torch.float64)[:, None] * torch.ones(3))
    evaluate(line, angles=HarmonicAngles(rows[:, :3], 1.0, 2.0), none=Torsions(rows, n=[0] * 12, phase=0.0, k=0.1))


def dynamics_and_variables() -> None:
    """Constraints of clusters of one to several, moves, mobilities, and variables of umbrellas."""
    x = random.normal(size=(12, 3)) * 3
    atoms = torch.tensor([[0, 1], [0, 2], [1, 2], [4, 5], [6, 7], [6, 8], [6, 9]])
    distances = torch.from_numpy(np.linalg.norm(x[atoms[:, 1]] - x[atoms[:, 0]], axis=1))
    masses, positions = torch.ones(12, dtype=torch.float64), torch.from_numpy(x.copy())
    constraints = Constraints(atoms, distances)
    moved = constraints.positions(positions, positions + 0.01, masses)
    constraints.velocities(moved, torch.from_numpy(random.normal(size=(12, 3))), masses)
    v, ones = random.normal(size=(12, 3)), np.ones(12)
    rigid = constraints.on_arrays(masses)
    rigid.drift(x, v, 1e-3, 0)
    rigid.project(x, v)
    engine.kick(v, x, ones, 0.1)
    engine.drift(x, v, 0.1)
    thermal = np.array([0, len(v)]), 1, np.array([5]), np.array([7])
    engine.before_forces(x, v, x, ones, 0.1, ones, ones, *thermal, 2)
    noise.thermalise(v, ones, ones, *thermal, 2)
    noise.fill_normals(np.array([0, 3, len(v)]), 1, np.array([5, 0]), np.array([7, 1]), np.empty((len(v), 9)))
    noise.words(0, 4, 1, 5, 7, np.empty((4, 4), np.uint64))
    for finite in (True, False):
        mobility.products(random.normal(size=(2, 5, 3)), random.normal(size=(2, 5, 3)), np.ones(5), 1.0, finite)
    beads = random.normal(size=(3, 12, 3)) * 4
    for variable in (NativeContacts(beads[0]), Rmsd(beads[0])):
        variable.compute(beads, np.empty_like(beads))


def networks() -> None:
    """A training step calls all derivatives of the three forms; open frames with an atom alone among them."""
    for channels in (3, 70):
        potential = NeuralPotential(NeuralConfig(channels=channels, layers=1), ["Cu"], {"Cu": 0.0})
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=1)
        state = State.from_atoms([atoms, Atoms("Cu"), Atoms("Cu2", [[0, 0, 0], [2.5, 0, 0]])])
        potential.evaluate(state, create_graph=True).forces.square().sum().backward()


def not_compiled(modules: tuple[ModuleType, ...]) -> list[str]:
    """Compiled functions of the modules that nothing has called; inlined ones are parts of their callers."""
    functions = {f"{m.__name__}.{k}": f for m in modules for k, f in vars(m).items() if isinstance(f, CPUDispatcher)}
    return [name for name, f in functions.items() if not f.signatures and f.targetoptions.get("inline") != "always"]


if __name__ == "__main__":
    assert numba.config.BOUNDSCHECK == 1, "without NUMBA_BOUNDSCHECK=1 nothing is checked"
    for part in (pair_terms, implicit_solvent, bonded_terms, dynamics_and_variables, networks):
        part()
    left = not_compiled(MODULES)
    sys.exit(f"no call of {', '.join(left)}" if left else 0)
