"""Chignolin, CLN025 (YYDPETGTWY), all atoms in implicit solvent: the source of its coarse-grained models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from labkit.base import State
from labkit.datasets.ice import data_folder
from labkit.engine import Constraints, lbfgs
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, import_openmm, state_from_openmm
from labkit.forcefield.openmm.xml_files import open_forcefield

FORCEFIELDS = {"ff14SB": "amber14/protein.ff14SB.xml", "ff99SB-ILDN": "amber99sbildn.xml"}
SOLVENT = "implicit/gbn2.xml"
HYDROGEN_MASS = 4.0  # u
STEP, FRICTION = 4.0, 1e-3  # fs, 1/fs


@dataclass(frozen=True, eq=False)
class Protein:
    """A protein for the engine, with rigid bonds to hydrogen and hydrogens of HYDROGEN_MASS.

    native      the experimental structure, minimised; extended: a stretched chain
    ca, cb      atoms at CA and at CB (glycine has none)
    reference   (m, 3) Å, CA of the experimental structure before minimisation
    """

    forcefield: ForceField
    constraints: Constraints
    native: State
    extended: State
    ca: Tensor
    cb: Tensor
    reference: Tensor
    residues: tuple[str, ...]

    @cached_property
    def beads(self) -> Tensor:
        """Atoms of the CACB model: all CA, then all CB."""
        return torch.cat([self.ca, self.cb])

    def replicas(self, count: int) -> tuple[ForceField, Constraints]:
        """The force field and the constraints of a batch."""
        return self.forcefield.repeat(count), self.constraints.repeat(count, self.forcefield.n_atoms)


def chignolin(forcefield: str = "ff99SB-ILDN") -> Protein:
    """CLN025 (166 atoms, charged termini) in GBn2, from the experimental structure in data/chignolin.

    forcefield   one of FORCEFIELDS

    Raises LabkitError for another force field, and if OpenMM, which reads and completes them, is missing.
    """
    if forcefield not in FORCEFIELDS:
        raise LabkitError(f"force field {forcefield!r}; expected one of {', '.join(FORCEFIELDS)}")
    try:
        from openmm import app, unit
    except ImportError as error:
        raise LabkitError('OpenMM is not installed; run: pip install "labkit[forcefield]"') from error
    pdb = app.PDBFile(str(data_folder() / "chignolin" / "cln025.pdb"))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    parameters = open_forcefield(FORCEFIELDS[forcefield], SOLVENT)
    modeller.addHydrogens(parameters, pH=7.0)
    system = parameters.createSystem(
        modeller.topology, constraints=app.HBonds, hydrogenMass=HYDROGEN_MASS * unit.dalton
    )
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
    imported = import_openmm(system)
    constraints = Constraints(*imported.constraints)
    state = state_from_openmm(modeller.topology, positions, system)
    atoms = list(modeller.topology.atoms())
    named = {name: torch.tensor([a.index for a in atoms if a.name == name]) for name in ("CA", "CB")}
    extended = state.replace(positions=_stretched(state, modeller.topology))
    native, extended = (
        lbfgs(start, imported.forcefield, constraints=constraints, steps=500, fmax=0.05) for start in (state, extended)
    )
    residues = tuple(residue.name for residue in modeller.topology.residues())
    reference = state.positions[named["CA"]]
    return Protein(imported.forcefield, constraints, native, extended, named["CA"], named["CB"], reference, residues)


def _stretched(state: State, topology: Any) -> Tensor:
    """Positions with all φ at -120° (except proline's) and ψ at 140°."""
    frame, found = state.to_atoms()[0], [{a.name: a.index for a in r.atoms()} for r in topology.residues()]
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds()])
    names = [residue.name for residue in topology.residues()]
    for k, here in enumerate(found):
        rotations = []
        if k and names[k] != "PRO":  # proline's φ is fixed by its ring
            rotations.append((found[k - 1]["C"], here["N"], here["CA"], here["C"], -120.0))
        if k + 1 < len(found):
            rotations.append((here["N"], here["CA"], here["C"], found[k + 1]["N"], 140.0))
        for a, b, c, d, angle in rotations:
            kept = bonds[~np.isin(bonds, (b, c)).all(1)]
            graph = coo_array((np.ones(len(kept)), kept.T), shape=(len(frame), len(frame)))
            part = connected_components(graph, directed=False)[1]
            frame.set_dihedral(a, b, c, d, angle, mask=(part == part[c]).tolist())
    return torch.from_numpy(frame.positions)
