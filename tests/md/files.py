"""Small run files with all they need, written into a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from forcefield import systems
from openmm import app, unit

WATER = """
atomtypes: [O, H1, H2]
bonds:
  (O, X): {k0: 450.0, req: 0.9572}
angles:
  (X, O, X): {k0: 55.0, theta0: 104.52}
lj:
  O: {sigma: 3.15061, epsilon: 0.1521}
  H1: {sigma: 0.4, epsilon: 0.046}
  H2: {sigma: 0.4, epsilon: 0.046}
electrostatics:
  O: {charge: -0.834}
  H1: {charge: 0.417}
  H2: {charge: 0.417}
masses: {O: 15.9994, H1: 1.008, H2: 1.008}
"""

BOX = {"structure": "water.pdb", "forcefield": "water.yaml", "forceterms": ["bonds", "angles", "lj", "electrostatics"]}
BOX |= {"cutoff": 4.5, "switch_dist": 4.0, "rfa": True, "timestep": 0.5, "langevin_temperature": 300}
BOX |= {"langevin_gamma": 1.0, "steps": 60, "output_period": 10, "save_period": 20, "seed": 3}


def water_box(folder: Path, count: int = 30, name: str = "run.yaml", **changes: object) -> Path:
    """A run file for a periodic box of water; its results go to folder/log."""
    topology, positions = systems.solvent(count)
    with (folder / "water.pdb").open("w") as file:
        app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    (folder / "water.yaml").write_text(WATER)
    run = folder / name
    run.write_text(yaml.safe_dump({**BOX, "log_dir": str(folder / "log"), **changes}))
    return run


def coor(path: Path, positions: np.ndarray) -> None:
    """NAMD's binary coordinates, Å."""
    path.write_bytes(np.int32(len(positions)).tobytes() + positions.astype("<f8").tobytes())


def xsc(path: Path, box: np.ndarray) -> None:
    row = " ".join(f"{x:.10g}" for x in [0, *box.ravel(), 0, 0, 0])
    path.write_text(f"# NAMD extended system configuration output file\n#$LABELS step a_x ...\n{row}\n")


def psf(path: Path, molecules: int) -> None:
    """Waters as CHARMM's protein structure file."""
    atoms = [("OH2", "O", -0.834, 15.9994), ("H1", "H1", 0.417, 1.008), ("H2", "H2", 0.417, 1.008)]
    lines = ["PSF", "", f"{1:8d} !NTITLE", " REMARKS waters", "", f"{3 * molecules:8d} !NATOM"]
    for m in range(molecules):
        for k, (name, kind, charge, mass) in enumerate(atoms):
            number = 3 * m + k + 1
            lines.append(f"{number:8d} WAT  {m + 1:<4d} TIP3 {name:<4s} {kind:<4s} {charge:10.6f} {mass:13.4f} {0:11d}")
    bonds = [(3 * m + 1, 3 * m + end) for m in range(molecules) for end in (2, 3)]
    angles = [(3 * m + 2, 3 * m + 1, 3 * m + 3) for m in range(molecules)]
    for title, rows, wide in (("NBOND: bonds", bonds, 4), ("NTHETA: angles", angles, 3)):
        lines += ["", f"{len(rows):8d} !{title}"]
        lines += ["".join(f"{a:8d}" for row in rows[k : k + wide] for a in row) for k in range(0, len(rows), wide)]
    for title in ("NPHI: dihedrals", "NIMPHI: impropers", "NDON: donors", "NACC: acceptors", "NNB"):
        lines += ["", f"{0:8d} !{title}"]
    lines += ["", ""]
    path.write_text("\n".join(lines) + "\n")


def prmtop(path: Path) -> None:
    """H-O-O-H with a torsion, a 1-4 pair and an improper of its own; AMBER's units."""
    pairs = [(1.2, 0.0157), (0.6 + 1.721, (0.0157 * 0.2104) ** 0.5), (2 * 1.721, 0.2104)]  # H-H, H-O, O-O
    sections: dict[str, tuple[str, list]] = {
        "TITLE": ("(20a4)", ["HOOH"]),
        #           atoms types bonds+H bonds angles+H angles dihedrals+H dihedrals ...
        "POINTERS": ("(10I8)", [4, 2, 2, 1, 2, 0, 2, 0, 0, 0, 7, 1, 1, 0, 0, 2, 1, 2, 2, 0] + [0] * 7 + [0, 4, 0, 0]),
        "ATOM_NAME": ("(20a4)", ["H1", "O1", "O2", "H2"]),
        "CHARGE": ("(5E16.8)", [q * 18.2223 for q in (0.4, -0.4, -0.4, 0.4)]),
        "ATOMIC_NUMBER": ("(10I8)", [1, 8, 8, 1]),
        "MASS": ("(5E16.8)", [1.008, 16.0, 16.0, 1.008]),
        "ATOM_TYPE_INDEX": ("(10I8)", [1, 2, 2, 1]),
        "NUMBER_EXCLUDED_ATOMS": ("(10I8)", [3, 2, 1, 1]),
        "NONBONDED_PARM_INDEX": ("(10I8)", [1, 2, 2, 3]),
        "RESIDUE_LABEL": ("(20a4)", ["HOH2"]),
        "RESIDUE_POINTER": ("(10I8)", [1]),
        "BOND_FORCE_CONSTANT": ("(5E16.8)", [553.0, 300.0]),
        "BOND_EQUIL_VALUE": ("(5E16.8)", [0.96, 1.45]),
        "ANGLE_FORCE_CONSTANT": ("(5E16.8)", [50.0]),
        "ANGLE_EQUIL_VALUE": ("(5E16.8)", [1.75]),
        "DIHEDRAL_FORCE_CONSTANT": ("(5E16.8)", [1.4, 0.7]),
        "DIHEDRAL_PERIODICITY": ("(5E16.8)", [2.0, 1.0]),
        "DIHEDRAL_PHASE": ("(5E16.8)", [3.141594, 0.0]),
        "SCEE_SCALE_FACTOR": ("(5E16.8)", [1.2, 1.2]),
        "SCNB_SCALE_FACTOR": ("(5E16.8)", [2.0, 2.0]),
        "SOLTY": ("(5E16.8)", [0.0, 0.0]),
        "LENNARD_JONES_ACOEF": ("(5E16.8)", [e * r**12 for r, e in pairs]),
        "LENNARD_JONES_BCOEF": ("(5E16.8)", [2 * e * r**6 for r, e in pairs]),
        "BONDS_INC_HYDROGEN": ("(10I8)", [0, 3, 1, 6, 9, 1]),
        "BONDS_WITHOUT_HYDROGEN": ("(10I8)", [3, 6, 2]),
        "ANGLES_INC_HYDROGEN": ("(10I8)", [0, 3, 6, 1, 3, 6, 9, 1]),
        "ANGLES_WITHOUT_HYDROGEN": ("(10I8)", []),
        "DIHEDRALS_INC_HYDROGEN": ("(10I8)", [0, 3, 6, 9, 1, 0, 3, -6, 9, 2]),
        "DIHEDRALS_WITHOUT_HYDROGEN": ("(10I8)", []),
        "EXCLUDED_ATOMS_LIST": ("(10I8)", [2, 3, 4, 3, 4, 4, 0]),
        "HBOND_ACOEF": ("(5E16.8)", []),
        "HBOND_BCOEF": ("(5E16.8)", []),
        "HBCUT": ("(5E16.8)", []),
        "AMBER_ATOM_TYPE": ("(20a4)", ["HO", "OH", "OH", "HO"]),
        "TREE_CHAIN_CLASSIFICATION": ("(20a4)", ["M"] * 4),
        "JOIN_ARRAY": ("(10I8)", [0] * 4),
        "IROTAT": ("(10I8)", [0] * 4),
    }
    text = "%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/01  00:00:00\n"
    shapes = {"(20a4)": (20, "{:<4s}"), "(10I8)": (10, "{:8d}"), "(5E16.8)": (5, "{:16.8E}")}
    for name, (form, values) in sections.items():
        wide, one = shapes[form]
        rows = ["".join(one.format(v) for v in values[k : k + wide]) for k in range(0, len(values), wide)]
        text += f"%FLAG {name:<74s}\n%FORMAT{form:<73s}\n" + "\n".join(rows or [""]) + "\n"
    path.write_text(text)
