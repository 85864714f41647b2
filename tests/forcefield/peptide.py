"""Peptides without files: heavy atoms from internal coordinates, hydrogens from OpenMM."""

from __future__ import annotations

import numpy as np
from openmm import Vec3, app, unit

NM = unit.nanometer


def peptide(alanines: int, phi: float = -57.0, psi: float = -47.0) -> tuple[app.Topology, np.ndarray]:
    """ACE-(ALA)n-NME with the same φ and ψ [°] everywhere (an α helix), positions in nm, shaken by 0.002 nm.

    Bond lengths and angles of Engh and Huber (Acta Cryst. A 47, 392, 1991).
    """
    topology = app.Topology()
    chain = topology.addChain()
    at: list[np.ndarray] = [np.zeros(3), np.array([0.152, 0.0, 0.0])]
    before = np.array([0.0, 0.1, 0.0])  # gives the first plane

    def put(
        name: str, residue: app.topology.Residue, near: tuple, r: float, angle: float, torsion: float
    ) -> np.ndarray:
        topology.addAtom(name, app.Element.getBySymbol(name[0]), residue)
        at.append(place(*near, r, np.radians(angle), np.radians(torsion)))
        return at[-1]

    residue = topology.addResidue("ACE", chain)
    for name in ("CH3", "C"):
        topology.addAtom(name, app.element.carbon, residue)
    put("O", residue, (before, at[0], at[1]), 0.1231, 120.1, 0.0)
    n, ca, c, to_next = before, at[0], at[1], 180.0
    for number in range(alanines + 1):
        residue = topology.addResidue("ALA" if number < alanines else "NME", chain)
        nitrogen = put("N", residue, (n, ca, c), 0.1335, 116.6, to_next)
        if number == alanines:
            put("C", residue, (ca, c, nitrogen), 0.146, 121.7, 180.0)
            break
        alpha = put("CA", residue, (ca, c, nitrogen), 0.146, 121.7, 180.0)
        put("CB", residue, (c, nitrogen, alpha), 0.153, 110.4, phi - 122.6)
        carbon = put("C", residue, (c, nitrogen, alpha), 0.1525, 111.0, phi)
        put("O", residue, (nitrogen, alpha, carbon), 0.1231, 120.1, psi + 180.0)
        n, ca, c, to_next = nitrogen, alpha, carbon, psi
    topology.createStandardBonds()
    modeller = app.Modeller(topology, [Vec3(*x) for x in at] * NM)
    modeller.addHydrogens(app.ForceField("amber14-all.xml"))
    positions = np.array(modeller.positions.value_in_unit(NM))
    return modeller.topology, positions + np.random.default_rng(1).normal(scale=0.002, size=positions.shape)


def place(a: np.ndarray, b: np.ndarray, c: np.ndarray, r: float, angle: float, torsion: float) -> np.ndarray:
    """The point at distance r from c with the angle b-c-d and the torsion a-b-c-d."""
    axis = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, axis)
    normal /= np.linalg.norm(normal)
    side = np.cross(normal, axis)
    return c + r * (-np.cos(angle) * axis + np.sin(angle) * (np.cos(torsion) * side + np.sin(torsion) * normal))


def one_residue(topology: app.Topology) -> app.Topology:
    """The same atoms as one residue, as CHARMM's alanine dipeptide is in OpenMM's XML."""
    joined = app.Topology()
    residue = joined.addResidue("ALAD", joined.addChain())
    atoms = [joined.addAtom(f"{a.name}{a.index}", a.element, residue) for a in topology.atoms()]
    for bond in topology.bonds():
        joined.addBond(atoms[bond[0].index], atoms[bond[1].index])
    return joined
