"""Tiny files of AMBER, CHARMM and GROMACS: a chain CT-CT-CT-OX with one of everything, Na+ and Cl-."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from forcefield.systems import TWISTED

POSITIONS = np.array([*TWISTED, [0.42, 0.1, 0.0], [0.35, 0.4, 0.25]])  # nm
NAMES, TYPES = ["C1", "C2", "C3", "O4", "NA", "CL"], ["CT", "CT", "CT", "OX", "SOD", "CLA"]
MASSES = [12.011, 12.011, 12.011, 15.999, 22.99, 35.45]
CHARGES = [-0.2, 0.1, 0.3, -0.2, 1.0, -1.0]
RMIN = {"CT": (1.96, 0.066), "OX": (1.68, 0.17), "SOD": (1.41, 0.0469), "CLA": (2.27, 0.15)}  # R/2 Å, ε kcal/mol
SODIUM_CHLORIDE = (3.731, 0.0839)  # NBFIX: R Å, ε kcal/mol


def write_amber(folder: Path, nbfix: bool = False) -> tuple[Path, Path]:
    """prmtop and inpcrd; `nbfix`: with an off-diagonal pair of types."""
    kinds = list(RMIN)
    index = [[max(i, j) * (max(i, j) + 1) // 2 + min(i, j) + 1 for j in range(4)] for i in range(4)]
    a, b = np.zeros(10), np.zeros(10)
    for i in range(4):
        for j in range(4):
            (r1, e1), (r2, e2) = RMIN[kinds[i]], RMIN[kinds[j]]
            r, e = r1 + r2, np.sqrt(e1 * e2)
            if nbfix and {kinds[i], kinds[j]} == {"SOD", "CLA"}:
                r, e = SODIUM_CHLORIDE
            a[index[i][j] - 1], b[index[i][j] - 1] = e * r**12, 2 * e * r**6
    excluded = [2, 3, 4, 3, 4, 4, 0, 0, 0]
    numbers, reals, words = "(10I8)", "(5E16.8)", "(20a4)"
    pointers = [6, 4, 0, 3, 0, 2, 0, 2, 0, 0, len(excluded), 3, 3, 2, 2, 2, 2, 2, 4, 0, *[0] * 8, 4, 0, 0]
    sections = {
        "TITLE": (words, ["chain"]),
        "POINTERS": (numbers, pointers),
        "ATOM_NAME": (words, NAMES),
        "CHARGE": (reals, np.array(CHARGES) * 18.2223),
        "MASS": (reals, MASSES),
        "ATOM_TYPE_INDEX": (numbers, [kinds.index(t) + 1 for t in TYPES]),
        "NUMBER_EXCLUDED_ATOMS": (numbers, [3, 2, 1, 1, 1, 1]),
        "NONBONDED_PARM_INDEX": (numbers, np.array(index).flatten()),
        "RESIDUE_LABEL": (words, ["MOL", "NA", "CL"]),
        "RESIDUE_POINTER": (numbers, [1, 5, 6]),
        "BOND_FORCE_CONSTANT": (reals, [310.0, 320.0]),
        "BOND_EQUIL_VALUE": (reals, [1.526, 1.41]),
        "ANGLE_FORCE_CONSTANT": (reals, [40.0, 50.0]),
        "ANGLE_EQUIL_VALUE": (reals, [1.911, 1.911]),
        "DIHEDRAL_FORCE_CONSTANT": (reals, [0.15, 1.2]),
        "DIHEDRAL_PERIODICITY": (reals, [3, 2]),
        "DIHEDRAL_PHASE": (reals, [0, np.pi]),
        "SCEE_SCALE_FACTOR": (reals, [1.2, 1.2]),
        "SCNB_SCALE_FACTOR": (reals, [2.0, 2.0]),
        "SOLTY": (reals, [0] * 4),
        "LENNARD_JONES_ACOEF": (reals, a),
        "LENNARD_JONES_BCOEF": (reals, b),
        "BONDS_INC_HYDROGEN": (numbers, []),
        "BONDS_WITHOUT_HYDROGEN": (numbers, [0, 3, 1, 3, 6, 1, 6, 9, 2]),
        "ANGLES_INC_HYDROGEN": (numbers, []),
        "ANGLES_WITHOUT_HYDROGEN": (numbers, [0, 3, 6, 1, 3, 6, 9, 2]),
        "DIHEDRALS_INC_HYDROGEN": (numbers, []),
        "DIHEDRALS_WITHOUT_HYDROGEN": (numbers, [0, 3, 6, 9, 1, 0, 3, -6, 9, 2]),
        "EXCLUDED_ATOMS_LIST": (numbers, excluded),
        "HBOND_ACOEF": (reals, []),
        "HBOND_BCOEF": (reals, []),
        "HBCUT": (reals, []),
        "AMBER_ATOM_TYPE": (words, [t[:2] for t in TYPES]),
        "RADIUS_SET": (words, ["bond"]),
        "RADII": (reals, [1.7, 1.7, 1.7, 1.5, 1.5, 1.7]),
        "SCREEN": (reals, [0.72, 0.72, 0.72, 0.85, 0.8, 0.8]),
    }
    lines = ["%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/00  00:00:00"]
    for name, (form, values) in sections.items():
        per, text = {numbers: (10, "{:8d}"), reals: (5, "{:16.8E}"), words: (20, "{:<4}")}[form]
        rows = [values[k : k + per] for k in range(0, max(len(values), 1), per)]
        lines += [f"%FLAG {name}", f"%FORMAT{form}", *("".join(text.format(v) for v in row) for row in rows)]
    (folder / "chain.prmtop").write_text("\n".join(lines) + "\n")
    flat = (POSITIONS * 10).flatten()
    rows = ["".join(f"{x:12.7f}" for x in flat[k : k + 6]) for k in range(0, len(flat), 6)]
    (folder / "chain.inpcrd").write_text("\n".join(["chain", "    6", *rows]) + "\n")
    return folder / "chain.prmtop", folder / "chain.inpcrd"


PARAMETERS = """* a chain and salt
*
ATOMS
MASS  -1  CT  12.011
MASS  -1  OX  15.999
MASS  -1  SOD 22.990
MASS  -1  CLA 35.450

BONDS
CT CT 222.5 1.53
CT OX 428.0 1.42

ANGLES
CT CT CT 58.35 113.6 11.16 2.561
CT CT OX 75.7 110.1

DIHEDRALS
CT CT CT OX 0.195 3 0.0
CT CT CT OX 0.5 2 180.0

IMPROPER
CT CT CT OX 45.0 0 35.0

NONBONDED nbxmod 5 atom cdiel fshift vatom vdistance vfswitch cutnb 14.0 ctofnb 12.0 ctonnb 10.0 eps 1.0
CT  0.0 -0.066 1.96  0.0 -0.01 1.9
OX  0.0 -0.17 1.68
SOD 0.0 -0.0469 1.41
CLA 0.0 -0.15 2.27
{}
END
"""


def write_charmm(folder: Path, nbfix: bool = False) -> tuple[Path, Path, Path]:
    """psf, crd and prm."""
    rows = zip(range(1, 7), [1, 1, 1, 1, 2, 3], ["MOL"] * 4 + ["SOD", "CLA"], NAMES, TYPES, CHARGES, MASSES)
    atoms = [
        f"{n:8d} SYS  {r:<4d} {m:<4s} {a:<4s} {t:<4s} {q:10.6f} {u:13.4f}           0" for n, r, m, a, t, q, u in rows
    ]
    lists = {
        "NBOND: bonds": (3, [1, 2, 2, 3, 3, 4]), "NTHETA: angles": (2, [1, 2, 3, 2, 3, 4]),
        "NPHI: dihedrals": (1, [1, 2, 3, 4]), "NIMPHI: impropers": (1, [2, 1, 3, 4]), "NDON: donors": (0, []),
        "NACC: acceptors": (0, []), "NNB": (0, [0] * 6),
    }  # fmt: skip
    lines = ["PSF", "", "       1 !NTITLE", " REMARKS a chain and salt", "", "       6 !NATOM", *atoms, ""]
    for name, (count, values) in lists.items():
        lines += [f"{count:8d} !{name}", "".join(f"{v:8d}" for v in values), ""]
    lines += ["       1       0 !NGRP NST2", "       0       0       0", ""]
    (folder / "chain.psf").write_text("\n".join(lines))
    pair = "NBFIX\nSOD CLA -{1} {0}".format(*SODIUM_CHLORIDE) if nbfix else ""
    (folder / "par_chain.prm").write_text(PARAMETERS.format(pair))
    crd = ["* a chain and salt", "*", "    6"]
    for n, (name, (x, y, z)) in enumerate(zip(NAMES, POSITIONS * 10), 1):
        crd.append(f"{n:5d}{1:5d} MOL  {name:<4s}{x:10.5f}{y:10.5f}{z:10.5f} SYS  1      0.00000")
    (folder / "chain.crd").write_text("\n".join(crd) + "\n")
    return folder / "chain.psf", folder / "chain.crd", folder / "par_chain.prm"


TOP = """[ defaults ]
1 2 yes 0.5 0.5
[ atomtypes ]
CT 12.011 0.0 A 0.35 0.276144
OX 15.999 0.0 A 0.30 0.71
[ moleculetype ]
MOL 3
[ atoms ]
1 CT 1 MOL C1 1 -0.2 12.011
2 CT 1 MOL C2 1 0.1 12.011
3 CT 1 MOL C3 1 0.3 12.011
4 OX 1 MOL O4 1 -0.2 15.999
[ bonds ]
1 2 1 0.1529 224262.4
2 3 1 0.1529 224262.4
3 4 1 0.1410 267776.0
[ pairs ]
1 4 1
[ angles ]
1 2 3 5 112.7 488.3 0.256 5000.0
2 3 4 1 109.5 418.4
[ dihedrals ]
1 2 3 4 3 9.28 12.16 -13.12 -3.06 26.24 -31.5
2 1 3 4 2 35.0 300.0
[ system ]
two chains
[ molecules ]
MOL 2
"""


def write_gromacs(folder: Path, rule: int = 2) -> tuple[Path, Path]:
    """top and gro: two chains in a box; Lennard-Jones by a combination rule, 1 with C6 and C12, else with σ and ε."""
    text = TOP.replace("1 2 yes", f"1 {rule} yes")
    for sigma, epsilon in ((0.35, 0.276144), (0.30, 0.71)) if rule == 1 else ():
        powers = f"{4 * epsilon * sigma**6:.12e} {4 * epsilon * sigma**12:.12e}"
        text = text.replace(f"{sigma:.2f} {epsilon}", powers)
    (folder / "chains.top").write_text(text)
    places = np.concatenate([POSITIONS[:4], POSITIONS[:4] + [0.3, 0.35, 0.4]]) + 0.3
    rows = [
        f"{n // 4 + 1:5d}MOL  {NAMES[n % 4]:>5s}{n + 1:5d}" + "".join(f"{x:8.3f}" for x in places[n]) for n in range(8)
    ]
    (folder / "chains.gro").write_text(
        "\n".join(["two chains", "    8", *rows, "   2.50000   2.60000   2.70000"]) + "\n"
    )
    return folder / "chains.top", folder / "chains.gro"
