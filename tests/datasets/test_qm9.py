"""QM9 from files in the layout of qm9pack 1.0.3: two molecules of it, and what may be wrong with them."""

import numpy as np
import pytest

from labkit.datasets.qm9 import ENERGIES, PARTS, package_folder, qm9
from labkit.errors import LabkitError
from labkit.units import HARTREE

HEADS = (
    "XYZ_file,Index,SMILES,Elements,XYZ_Ang,InternalEnergy_0K_au,InternalEnergy_298K_au,Enthalphy_298K_au,"
    "GibbsFreeEnergy_298K_au\n"
)
WATER = (
    '"dsgdb9nsd_000003.xyz",3,"O","[\'O\',\'H\',\'H\']","[[-0.0343604951,0.9775395708,0.0076015923],[0.0647664923,'
    '0.0205721989,0.0015346341],[0.8717903737,1.3007924048,0.0006931336]]",-76.404702,-76.401867,-76.400922,-76.422349\n'
)
ACETYLENE = (
    "\"dsgdb9nsd_000004.xyz\",4,\"C#C\",\"['C','C','H','H']\",\"[[0.5995394918,0.,1.],[-0.5995394918,0.,1.],"
    '[-1.6616385861,0.,1.],[1.6616385861,0.,1.]]",-77.308427,-77.305527,-77.304583,-77.327429\n'
)


@pytest.fixture
def folder(tmp_path):
    for part, rows in zip(PARTS, (WATER, ACETYLENE, ""), strict=True):
        (tmp_path / part).write_text(HEADS + rows)
    return tmp_path


def test_molecules(folder) -> None:
    found = qm9(folder=folder)
    assert len(found) == 2 and found.counts.tolist() == [3, 4] and [x["index"] for x in found.info] == [3, 4]
    np.testing.assert_allclose(found.energy, np.array([-76.404702, -77.308427]) * HARTREE)
    water = found.atoms[0]
    assert water.get_chemical_formula() == "H2O" and not water.pbc.any()
    assert water.get_distance(0, 1) == pytest.approx(0.962, abs=1e-3) and water.get_angle(1, 0, 2) == pytest.approx(
        103.6, abs=0.2
    )
    assert np.isnan(found.forces).all()


@pytest.mark.parametrize(("label", "water"), list(zip(ENERGIES, (-76.404702, -76.401867, -76.400922, -76.422349))))
def test_energies(folder, label, water) -> None:
    found = qm9(label, n=1, folder=folder)
    assert len(found) == 1 and found.energy[0] == pytest.approx(water * HARTREE, rel=1e-12)


def test_what_is_wrong_is_said(folder) -> None:
    with pytest.raises(LabkitError, match="label is 'energy_u0'.*did you mean 'energy_U0'"):
        qm9("energy_u0", folder=folder)
    (folder / PARTS[1]).write_text(HEADS + ACETYLENE.replace("'H']", "'Hh']"))
    with pytest.raises(LabkitError, match="qm9_part2.csv: molecule 0: not a molecule of QM9"):
        qm9(folder=folder)
    (folder / PARTS[1]).write_text(HEADS + ACETYLENE.replace(",0.,1.],[-0.59", ",[-0.59"))
    with pytest.raises(LabkitError, match="molecule 0: not a molecule of QM9"):
        qm9(folder=folder)
    (folder / PARTS[1]).write_text("a,b\n1,2\n")
    with pytest.raises(LabkitError, match="qm9_part2.csv: has no column Elements"):
        qm9(folder=folder)
    (folder / PARTS[1]).unlink()
    with pytest.raises(LabkitError, match="install qm9pack again"):
        qm9(folder=folder)


def test_the_installed_package_is_found_and_not_run(folder, monkeypatch) -> None:
    with pytest.raises(LabkitError, match="python -m pip install --no-deps qm9pack"):
        package_folder()
    package = folder / "site" / "qm9pack"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it ran')\n")
    for part in PARTS:
        (folder / part).rename(package / "data" / part)
    monkeypatch.syspath_prepend(str(folder / "site"))
    assert package_folder() == package / "data"
    found = qm9(n=1)
    assert found.source == 'labkit.datasets.qm9.qm9("energy_U0", n=1)'
