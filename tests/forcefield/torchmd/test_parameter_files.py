"""Parameters of CHARMM (.prm) and AMBER (.frcmod): TorchMD 1.1.2's energies of the same files, and odd files."""

from __future__ import annotations

import numpy as np
import pytest
from forcefield import files

from labkit.base import State, System
from labkit.errors import LabkitError
from labkit.forcefield.torchmd.file import TorchmdFile
from labkit.forcefield.torchmd.reader import from_torchmd_yaml
from labkit.units import KCAL_PER_MOL

torch = pytest.importorskip("torch")

FRCMOD = """chain with one of everything
MASS
CT 12.011         0.878               sp3 carbon
OX 15.999         0.465
SOD 22.99         0.1
CLA 35.45

BOND
CT-CT  310.0    1.526       a comment 1 2 3
CT-OX  320.0    1.410

ANGL
CT-CT-CT    40.0      109.50
CT-CT-OX    50.0      109.50    more

DIHE
CT-CT-CT-OX   2    0.30        0.0            -3.         SCEE=1.1 SCNB=1.9
CT-CT-CT-OX   1    1.2       180.0             2.         SCEE=1.1 SCNB=1.9

IMPR
CT-CT-CT-OX         1.1          180.         2.

NONB
  CT          1.9080  0.1094             Spellmeyer
  OX          1.7210  0.2104
  SOD         1.3690  0.0874
  CLA         2.513   0.0356

"""
#: kcal/mol by TorchMD 1.1.2 with ParmEd 4.3.1, in double precision; 1-4 pairs are in its lj and electrostatics.
TORCHMD = {
    ".prm": {"bonds": 67.85223932839753, "angles": 13.595480920899165, "dihedrals": 0.627083808383919,
             "impropers": 410.32348888640496, "near": -79.86050716104147 + 5.305996995064679},
    ".frcmod": {"bonds": 85.96678184898498, "angles": 7.231576867082405, "dihedrals": 1.471469294034163,
                "impropers": 0.9845095939228523, "near": -80.37679889262209 + 12.895699729379437},
}  # fmt: skip
BONDS, IMPROPERS = [(0, 1), (1, 2), (2, 3)], [(1, 0, 2, 3)]


@pytest.fixture(params=[".prm", ".frcmod"])
def file(request, tmp_path):
    if request.param == ".frcmod":
        path = tmp_path / "chain.frcmod"
        path.write_text(FRCMOD)
        return path
    return files.write_charmm(tmp_path)[2]


def energies(forcefield):
    where = torch.tensor(10 * files.POSITIONS)
    system = System(
        torch.zeros(6, dtype=torch.int64), torch.ones(6, dtype=where.dtype), torch.zeros(6, dtype=torch.int64),
        torch.zeros(1, 3, dtype=torch.bool),
    )  # fmt: skip
    state = State(system, where, torch.zeros(1, 3, 3, dtype=where.dtype), torch.zeros_like(where))
    found: dict[str, float] = {}
    for name, term in forcefield.terms.items():
        value = type(forcefield)({name: term}, 6).evaluate(state).energy[0]
        name = "near" if name in ("lj", "electrostatics", "1-4") else name.split("_")[0]
        found[name] = found.get(name, 0.0) + float(value) / KCAL_PER_MOL
    return found


def test_energies_are_those_of_torchmd(file):
    forcefield = from_torchmd_yaml(file, files.TYPES, BONDS, impropers=IMPROPERS, charges=files.CHARGES)
    assert energies(forcefield) == pytest.approx(TORCHMD[file.suffix], rel=1e-5)  # its constants have 6 digits


def test_what_torchmd_leaves_out_is_named(tmp_path):
    prm = files.write_charmm(tmp_path, nbfix=True)[2]
    assert TorchmdFile(prm).omitted(files.TYPES) == "1 of the Urey-Bradley terms, 1 of the NBFIX pairs"
    assert TorchmdFile(prm).omitted(["CT", "OX"]) == "1 of the Urey-Bradley terms"
    assert TorchmdFile(prm).omitted(["OX"]) == ""
    path = tmp_path / "cmap.prm"
    path.write_text(f"{prm.read_text()}\nCMAP\nCT CT CT OX CT CT CT OX 24\n!-180\n0.1 0.2 0.3 0.4 0.5\n")
    assert "CMAP" in TorchmdFile(path).omitted(files.TYPES)


def test_wildcards_repeated_rows_and_continued_lines(tmp_path):
    path = tmp_path / "odd.prm"
    path.write_text(
        "BONDS\nA B 1.0 1.5\nB A 2.0 1.6 ! the later one counts\n\nDIHEDRALS\nX A B X 0.5 3 0.0\nA A B B 0.25 1 180.0\n"
        "A A B B 0.75 2 0.0\nB B A A 0.5 2 180.0\n\nNONBONDED nbxmod 5 atom -\n  cutnb 14.0 e14fac 0.5\n"
        "A 0.0 -0.1 2.0\nB 0.0 -0.2 1.0 0.0 -0.05 0.9\nHBOND CUTHB 0.5\nEND\n"
    )
    found = TorchmdFile(path)
    assert found.get("bonds", "AB", (0, 1)) == {"k0": 2.0, "req": 1.6}
    own = found.get("dihedrals", "AABB", (0, 1, 2, 3))
    assert [(t["phi_k"], t["per"], t["phase"]) for t in own["terms"]] == [(0.25, 1, 180.0), (0.5, 2, 180.0)]
    assert own["scee"] == 2.0 and found.get("dihedrals", "CABD", (0, 1, 2, 3))["terms"][0]["per"] == 3
    b = found.get("lj", "B", (0,))
    assert b["sigma"] == pytest.approx(2 / 2 ** (1 / 6)) and b["epsilon14"] == -0.05 and b["sigma14"] < b["sigma"]


def test_amber_types_of_one_letter_and_three_columns(tmp_path):
    path = tmp_path / "odd.frcmod"
    path.write_text(
        "remark\nBOND\nc -n   400.0 1.33\nc3-c3  300.0 1.53\n\nDIHE\nX -c -n -X    4   10.0 180.0 2.\n"
        "o -c -n -hn   1    2.5   180.0  -2.\n              1    2.0     0.0   1.\n"
    )
    found = TorchmdFile(path)
    assert found.get("bonds", ["n", "c"], (0, 1))["k0"] == 400.0
    assert found.get("bonds", ["c3", "c3"], (0, 1))["k0"] == 300.0
    own = found.get("dihedrals", ["hn", "n", "c", "o"], (0, 1, 2, 3))
    assert [t["per"] for t in own["terms"]] == [2.0, 1.0] and (own["scee"], own["scnb"]) == (1.2, 2.0)
    assert found.get("dihedrals", ["a", "c", "n", "b"], (0, 1, 2, 3))["terms"][0]["phi_k"] == 2.5
    path.write_text(path.read_text().replace("180.0  -2.", "180.0   2."))
    with pytest.raises(LabkitError, match=r"odd.frcmod: line 9: .*is no row of dihedrals"):
        TorchmdFile(path)


@pytest.mark.parametrize("cut", np.linspace(0.05, 0.95, 19))
def test_a_damaged_file_is_read_or_refused_in_a_sentence(file, cut):
    """Cut anywhere, or with a word in place of a number."""
    text = file.read_text()
    for damaged in (text[: int(cut * len(text))], text.replace(text.split()[int(cut * len(text.split()))], "what?")):
        file.write_text(damaged)
        try:
            from_torchmd_yaml(file, files.TYPES, BONDS, impropers=IMPROPERS, charges=files.CHARGES)
        except LabkitError as error:
            assert file.name in str(error)
