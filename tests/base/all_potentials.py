"""Every kind of potential, with systems that it is made for: what the suite of test_all_potentials goes through.

A new potential is a line here; a test fails where one is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones as LJ
from torch import Tensor, nn

from labkit.base import AsePotential, Committee, ModulePotential, Potential, TorchmdPotential
from labkit.datasets import Dataset
from labkit.folding import NativeContacts, Umbrella
from labkit.forcefield import (
    Bias,
    ForceField,
    GeneralizedBorn,
    HarmonicAngles,
    HarmonicBonds,
    LennardJones,
    Pme,
    RepulsionCG,
    TypedForceField,
    TypedTerm,
)
from labkit.gap import Design, Distance2b, GapConfig, Soap
from labkit.neural import NeuralConfig, NeuralPotential, WithPrior, Zbl
from tests.base.test_potential import Pair


@dataclass(frozen=True, eq=False)
class Case:
    """A potential; three frames; and what it can."""

    make: Callable[[], Potential]
    frames: Callable[[], list[Atoms]]
    stress: bool = True
    turns: bool = True  # no preferred direction
    permutes: bool = True  # atoms have no places of their own
    atom: Atoms | None = None  # what it takes alone
    single: float | None = 1e-4  # eV and eV/Å by which single precision may differ; None where there is none
    outside: bool = False  # another program computes
    member: Callable[[int], Potential] | None = None  # that of one system, if a potential is made for a batch


def copper() -> list[Atoms]:
    found = [bulk("Cu", cubic=True), bulk("Cu", cubic=True) * (2, 1, 1), bulk("Cu", cubic=True)]
    for k, frame in enumerate(found):
        frame.rattle(0.08, seed=k)
    return found


def waters() -> list[Atoms]:
    found = [molecule("H2O") for _ in range(3)]
    for k, frame in enumerate(found):
        frame.rattle(0.05, seed=k)
        frame.cell, frame.pbc = np.diag([9.0, 10.0, 11.0]), True
    return found


def opened(frames: list[Atoms]) -> list[Atoms]:
    for frame in frames:
        frame.pbc = False
    return frames


def chains() -> list[Atoms]:
    found = []
    for k in range(3):
        frame = Atoms(numbers=[0] * 4, positions=[[0, 0, 0], [3.8, 0, 0], [5.2, 3.5, 0], [4.0, 6.5, 2.0]])
        frame.set_masses([12.0] * 4)
        frame.rattle(0.1, seed=k)
        frame.arrays["types"] = np.array(["CA", "CB", "CA", "CA"])
        frame.arrays["bonded"] = np.array(["1", "-1,1", "-1,1", "-1"])
        found.append(frame)
    return found


@cache
def _gap() -> Potential:
    training = copper()
    for frame in training:
        frame.calc = EMT()
        frame.info["energy"] = frame.get_potential_energy()
        frame.arrays["forces"] = frame.get_forces()
        frame.calc = None
    soap = Soap(cutoff=3.5, n_max=3, l_max=2, n_sparse=8)
    config = GapConfig((soap, Distance2b(cutoff=3.5, n_sparse=5, delta=0.5)), e0={"Cu": 0.0}, sigma_force=0.05)
    return Design.build(Dataset.from_atoms(training), config).solve()


def gap() -> Potential:
    _gap()
    return _gap.__wrapped__()


def terms() -> dict[str, Potential]:
    return {
        "bonds": HarmonicBonds([[0, 1], [0, 2]], k=30.0, r0=0.96),
        "angles": HarmonicAngles([[1, 0, 2]], k=3.0, theta0=1.82),
    }


def field(**more: Potential) -> ForceField:
    return ForceField({**terms(), **more}, 3)


def pme() -> ForceField:
    mesh = Pme([-0.8, 0.4, 0.4], cutoff=4.0, alpha=0.6, mesh_spacing=0.4, exclusions=[[0, 1], [0, 2], [1, 2]])
    return field(lj=LennardJones([3.1, 1.0, 1.0], [0.007, 0.001, 0.001], cutoff=4.0), pme=mesh)


def born() -> ForceField:
    return field(born=GeneralizedBorn([-0.8, 0.4, 0.4], [1.5, 1.2, 1.2], [0.8, 0.8, 0.8]))


class Wells:
    def calculate(self, pos: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
        return pos.square().sum((1, 2)), -2 * pos


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)).double()


def prior() -> TypedForceField:
    table = {("CA", "CA"): {"k": 13.0, "r0": 3.8}, ("CA", "CB"): {"k": 9.0, "r0": 3.7}}
    core = {"CA": {"sigma": 4.0, "epsilon": 0.04}, "CB": {"sigma": 3.0, "epsilon": 0.04}}
    return TypedForceField({"bonds": TypedTerm(HarmonicBonds, table), "core": TypedTerm(RepulsionCG, core)})


def umbrella(*systems: int) -> Potential:
    native, centres = torch.tensor(opened(waters())[0].positions), [[0.3, 0.5, 0.7][s] for s in systems]
    variable = NativeContacts(native, cutoff=6.0, separation=1)
    return Umbrella(variable, [0, 1, 2], centres, [2.0] * len(systems))


def neural(**settings: Any) -> Potential:
    config = NeuralConfig(cutoff=3.5, channels=8, layers=2, n_radial=6, **settings)
    return NeuralPotential(config, ["H", "O", "Cu"], {"H": -1.0, "O": -2.0, "Cu": -3.0}, 0.5).double()


CASES = {
    "Pair": Case(Pair, copper, atom=Atoms("Cu")),
    "Sum": Case(lambda: Pair(0.3) + Pair(0.2, cutoff=4.0), copper, atom=Atoms("Cu")),
    "Committee": Case(lambda: Committee([Pair(0.3), Pair(0.4, cutoff=4.0)]), copper, atom=Atoms("Cu")),
    "GapModel": Case(gap, copper, atom=Atoms("Cu"), single=0.05),
    "NeuralPotential": Case(neural, copper, atom=Atoms("Cu")),
    "NeuralPotential, SO(3)": Case(lambda: neural(mirror=False), lambda: opened(waters()), stress=False, turns=False),
    "NeuralPotential, SchNet": Case(lambda: neural(network="schnet"), waters, atom=Atoms("O")),
    "NeuralPotential, SOAP": Case(lambda: neural(network="soap-linear"), waters, atom=Atoms("O")),
    "NeuralPotential, ensemble": Case(lambda: neural(outputs=3), copper, atom=Atoms("Cu")),
    "NeuralPotential, variance": Case(lambda: neural(head="mean-variance"), waters, atom=Atoms("O")),
    "NeuralPotential, evidential": Case(lambda: neural(head="evidential"), waters, atom=Atoms("O")),
    "NeuralPotential, dropout": Case(lambda: neural(head="dropout"), waters, atom=Atoms("O")),
    "Zbl": Case(lambda: Zbl(["Cu"], reach=3.2), copper, atom=Atoms("Cu")),
    "WithPrior": Case(lambda: WithPrior(Zbl(["Cu"], reach=3.2), neural()), copper, atom=Atoms("Cu")),
    "ForceField, open": Case(
        lambda: born().repeat(3), lambda: opened(waters()), stress=False, permutes=False, member=lambda s: born()
    ),
    "ForceField, PME": Case(
        lambda: pme().repeat(3), waters, turns=False, permutes=False, single=1e-3, member=lambda s: pme()
    ),
    "TypedForceField": Case(prior, chains, stress=False, permutes=False),
    "Umbrella": Case(
        lambda: umbrella(0, 1, 2), lambda: opened(waters()), stress=False, permutes=False, member=umbrella
    ),
    "Bias": Case(
        lambda: Bias(lambda r, cell: (r[1] - r[0]).norm(), lambda s: 5.0 * (s - 1.2) ** 2),
        lambda: opened(waters()), stress=False, permutes=False,
    ),
    "AsePotential": Case(lambda: AsePotential(LJ(rc=4.0, smooth=True)), copper, atom=Atoms("Cu"), outside=True),
    "ModulePotential": Case(
        lambda: ModulePotential(network(), batched=True), lambda: opened(waters()), stress=False, turns=False,
        permutes=False,
    ),
    "TorchmdPotential": Case(
        lambda: TorchmdPotential(Wells()), lambda: opened(waters()), stress=False, outside=True
    ),
}  # fmt: skip
