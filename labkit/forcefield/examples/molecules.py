"""Small systems without files: a water box, a peptide, and a chain whose populations are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase import Atoms

from labkit.base import State
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.openmm.reader import from_openmm
from labkit.forcefield.openmm.state import state_from_openmm
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds
from labkit.forcefield.terms.torsions import Torsions
from labkit.units import KB

if TYPE_CHECKING:
    import openmm

#: ACE-ALA-NME at a minimum of its energy: names and positions [Å] of each residue's atoms.
PEPTIDE = {
    "ACE": "CH3 -2.96 0.69 0.74|H1 -3.31 0.21 1.66|H2 -3.31 0.14 -0.12|H3 -3.34 1.71 0.70|C -1.45 0.74 0.74|"
    "O -0.87 1.81 0.70",
    "ALA": "N -0.82 -0.43 0.79|H -1.38 -1.27 0.81|CA 0.64 -0.61 0.81|HA 1.05 0.14 1.50|CB 0.94 -2.00 1.39|"
    "HB1 2.02 -2.12 1.49|HB2 0.56 -2.77 0.73|HB3 0.49 -2.10 2.38|C 1.32 -0.35 -0.56|O 2.03 -1.21 -1.08",
    "NME": "N 1.07 0.82 -1.16|H 0.47 1.47 -0.67|C 1.61 1.21 -2.46|H1 2.70 1.20 -2.43|H2 1.27 0.51 -3.23|"
    "H3 1.26 2.22 -2.72",
}
BARRIER, TILT = 0.24, 0.012  # eV: height of the chain's barrier, half of what cis costs more than trans


@dataclass(frozen=True, eq=False)
class Example:
    """An OpenMM System with its topology and positions [nm], and the same for labkit: `state`, `forcefield`."""

    system: openmm.System
    topology: Any
    positions: np.ndarray

    @property
    def forcefield(self) -> ForceField:
        return from_openmm(self.system)

    @property
    def state(self) -> State:
        return state_from_openmm(self.topology, self.positions, self.system)


def water(molecules: int = 100, cutoff: float = 9.0) -> Example:
    """A cube of flexible TIP3P-FB: reaction field, switched Lennard-Jones; a cutoff [Å] of at most half the side."""
    from openmm import app, unit

    forcefield = app.ForceField("amber14/tip3pfb.xml")
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    modeller.addSolvent(forcefield, numAdded=molecules, neutralize=False)
    side = min(modeller.topology.getUnitCellDimensions().value_in_unit(unit.nanometer))
    cutoff = min(0.1 * cutoff, 0.49 * side)
    system = forcefield.createSystem(
        modeller.topology,
        nonbondedMethod=app.CutoffPeriodic,
        nonbondedCutoff=cutoff,
        switchDistance=0.85 * cutoff,
        rigidWater=False,
    )
    return Example(system, modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer)))


def peptide() -> Example:
    """Alanine dipeptide, ACE-ALA-NME, in vacuum by AMBER's ff14SB; no cutoff, no constraints."""
    from openmm import app

    topology, places = app.Topology(), []
    chain = topology.addChain()
    for name, atoms in PEPTIDE.items():
        residue = topology.addResidue(name, chain)
        for atom, *place in (line.split() for line in atoms.split("|")):
            topology.addAtom(atom, app.Element.getBySymbol(atom[0]), residue)
            places.append([0.1 * float(x) for x in place])
    topology.createStandardBonds()
    return Example(app.ForceField("amber14-all.xml").createSystem(topology), topology, np.array(places))


def chain(copies: int = 1) -> tuple[State, ForceField]:
    """Butane's carbons as four balls, `copies` of them in one batch, all trans, with a high barrier to cis:

    U(φ) = ½ B (1 - cos 2φ) + t (1 + cos φ), besides bonds and angles, on which the distribution of φ does not depend.
    """
    bond, angle = 1.53, math.radians(111.0)
    x, y = bond * math.sin(angle / 2), bond * math.cos(angle / 2)
    atoms = Atoms("C4", [[0, 0, 0], [x, y, 0], [2 * x, 0, 0], [3 * x, y, 0]])
    terms = {
        "bonds": HarmonicBonds([[0, 1], [1, 2], [2, 3]], k=20.0, r0=bond),
        "angles": HarmonicAngles([[0, 1, 2], [1, 2, 3]], k=4.0, theta0=angle),
        "torsions": Torsions([[0, 1, 2, 3]] * 2, n=[2, 1], phase=[math.pi, 0.0], k=[BARRIER / 2, TILT]),
    }
    return State.from_atoms([atoms] * copies), ForceField(terms, 4).repeat(copies)


def cis_share(temperature: Any) -> np.ndarray:
    """How much of a chain's time is spent at |φ| < 90° at a temperature [K]: ∫ exp(-U/k_B T) dφ there over all.

    >>> float(cis_share(1e9).round(3))
    0.5
    """
    phi = (np.arange(3600) + 0.5) * math.pi / 1800 - math.pi
    energy = 0.5 * BARRIER * (1 - np.cos(2 * phi)) + TILT * (1 + np.cos(phi))
    weight = np.exp(-energy / (KB * np.asarray(temperature, dtype=float)[..., None]))
    return weight[..., np.abs(phi) < math.pi / 2].sum(-1) / weight.sum(-1)


def is_cis(state: State) -> torch.Tensor:
    """1.0 for each chain of a batch with |φ| < 90°, else 0.0, (S,)."""
    first, second, third, fourth = state.positions.reshape(-1, 4, 3).unbind(1)
    axis = third - second
    one, other = torch.linalg.cross(second - first, axis), torch.linalg.cross(axis, fourth - third)
    return ((one * other).sum(1) > 0).to(state.positions)
