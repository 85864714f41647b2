"""OpenMM systems without files: a box of water, and a peptide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.base import State
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.openmm.reader import from_openmm
from labkit.forcefield.openmm.state import state_from_openmm
from labkit.forcefield.openmm.xml_files import open_forcefield

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

    forcefield = open_forcefield("amber14/tip3pfb.xml")
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
    """Alanine dipeptide, ACE-ALA-NME, in vacuum with AMBER's ff14SB; no cutoff, no constraints."""
    from openmm import app

    topology, places = app.Topology(), []
    chain = topology.addChain()
    for name, atoms in PEPTIDE.items():
        residue = topology.addResidue(name, chain)
        for atom, *place in (line.split() for line in atoms.split("|")):
            topology.addAtom(atom, app.Element.getBySymbol(atom[0]), residue)
            places.append([0.1 * float(x) for x in place])
    topology.createStandardBonds()
    return Example(open_forcefield("amber14-all.xml").createSystem(topology), topology, np.array(places))
