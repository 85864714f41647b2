"""A drug-like molecule, paracetamol, with parameters of GAFF's form and size written out by hand."""

from __future__ import annotations

import numpy as np
import openmm
from openmm import app

from labkit.forcefield.topology import angles_of, dihedrals_of, neighbours_of

# type: (sigma nm, epsilon kJ/mol), as GAFF's
LJ = {
    "ca": (0.340, 0.360), "c": (0.340, 0.360), "c3": (0.340, 0.458), "o": (0.296, 0.879), "oh": (0.307, 0.880),
    "n": (0.325, 0.711), "ha": (0.260, 0.0628), "hc": (0.265, 0.0657), "hn": (0.107, 0.0657), "ho": (0.0, 0.0),
}  # fmt: skip
RING = [0.139 * np.array([np.cos(t), np.sin(t), 0]) for t in np.arange(6) * np.pi / 3]
# type, charge e, position nm
ATOMS = [
    *((kind, q, x) for kind, q, x in zip(["ca"] * 6, [0.13, -0.17, -0.22, 0.12, -0.25, -0.17], RING)),
    ("n", -0.46, RING[0] * 2.01), ("oh", -0.50, RING[3] * 1.98),
    *(("ha", 0.14, RING[k] * 1.78) for k in (1, 2, 4, 5)),
    ("hn", 0.30, [0.330, 0.087, 0.01]), ("ho", 0.42, [-0.306, 0.092, -0.01]), ("c", 0.66, [0.350, -0.116, 0.01]),
    ("o", -0.58, [0.285, -0.219, -0.02]), ("c3", -0.19, [0.501, -0.117, 0.02]), ("hc", 0.06, [0.540, -0.018, 0.03]),
    ("hc", 0.06, [0.536, -0.170, 0.107]), ("hc", 0.06, [0.537, -0.166, -0.069]),
]  # fmt: skip
BONDS = [
    *((k, (k + 1) % 6) for k in range(6)), (0, 6), (3, 7), (1, 8), (2, 9), (4, 10), (5, 11), (6, 12), (7, 13), (6, 14),
    (14, 15), (14, 16), (16, 17), (16, 18), (16, 19),
]  # fmt: skip
LENGTHS = {"ca": 0.0695, "c": 0.070, "c3": 0.077, "o": 0.0515, "oh": 0.066, "n": 0.0705}  # nm, others H 0.034


def ligand() -> tuple[openmm.System, app.Topology, np.ndarray]:
    """Bonds, angles, torsions, impropers, 1-4 pairs scaled by 1/1.2 and 1/2, all pairs."""
    kinds = [kind for kind, _, _ in ATOMS]
    topology, system = app.Topology(), openmm.System()
    residue = topology.addResidue("TYL", topology.addChain())
    nonbonded = openmm.NonbondedForce()
    for number, (kind, charge, _) in enumerate(ATOMS):
        element = app.Element.getBySymbol(kind[0].upper())
        topology.addAtom(f"{element.symbol}{number}", element, residue)
        system.addParticle(element.mass)
        nonbonded.addParticle(charge, *LJ[kind])
    bonds, angles, torsions = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    for i, j in BONDS:
        stiff = 4e5 if "h" not in (kinds[i][0], kinds[j][0]) else 3e5
        bonds.addBond(i, j, LENGTHS.get(kinds[i], 0.034) + LENGTHS.get(kinds[j], 0.034), stiff)
    for i, j, k in angles_of(BONDS).tolist():
        bent = 1.911 if kinds[j] in ("c3", "oh") else 2.094
        angles.addAngle(i, j, k, bent, 400.0 if "h" in (kinds[i][0], kinds[k][0]) else 560.0)
    for way in dihedrals_of(BONDS).tolist():
        middle = {kinds[way[1]], kinds[way[2]]}
        if middle == {"c", "n"}:
            torsions.addTorsion(*way, 2, np.pi, 10.46)
            torsions.addTorsion(*way, 1, 0.0, 8.37)
        elif "c3" in middle:
            torsions.addTorsion(*way, 3, 0.0, 0.65)
        else:
            torsions.addTorsion(*way, 2, np.pi, 15.17 if middle == {"ca"} else 3.77)
    for centre, near in neighbours_of(BONDS).items():
        if len(near) == 3:
            torsions.addTorsion(near[0], near[1], centre, near[2], 2, np.pi, 4.6)
    nonbonded.createExceptionsFromBonds(BONDS, 1 / 1.2, 0.5)
    for force in (bonds, angles, torsions, nonbonded):
        system.addForce(force)
    positions = np.array([x for _, _, x in ATOMS], dtype=float)
    return system, topology, positions + np.random.default_rng(2).normal(scale=0.003, size=positions.shape)
