"""XML force fields with Python code: nothing of it runs unless the file is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from forcefield import systems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError

pytest.importorskip("openmm")

from labkit.forcefield import load
from labkit.forcefield.openmm.xml_files import open_forcefield

PDB = "HETATM    1 CL    CL A   1       0.000   0.000   0.000  1.00  0.00          CL\n"
INITIAL = "<InitializationScript>{}</InitializationScript>"
EVALUATED = '<NonbondedForce coulomb14scale="1" lj14scale="1" useDispersionCorrection="{}"/>'
PLACES = {
    "InitializationScript": INITIAL,
    "Script": "<Script>{}</Script>",
    "NonbondedForce useDispersionCorrection": EVALUATED,
    "LennardJonesForce useDispersionCorrection": EVALUATED.replace("NonbondedForce", "LennardJonesForce"),
}
WAYS = ["itself", "included", "included from a folder", "included twice over"]


def write(folder: Path, place: str, way: str) -> tuple[Path, Path, Path, Path]:
    """A PDB file, the XML file to load, the one with the code, and the file that the code would write."""
    trace = folder / "it_ran"
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    (folder / "salt.pdb").write_text(PDB)
    salt = systems.SALT.format("")
    deep = folder / "deep"
    deep.mkdir(exist_ok=True)
    bad = {"included from a folder": deep / "bad.xml"}.get(way, folder / "bad.xml")
    if way == "itself":
        bad.write_text(salt.replace("</ForceField>", f"{PLACES[place].format(code)}</ForceField>"))
        return folder / "salt.pdb", bad, bad, trace
    bad.write_text(f"<ForceField>{PLACES[place].format(code)}</ForceField>")
    include = {"included from a folder": "deep/bad.xml", "included twice over": "middle.xml"}.get(way, "bad.xml")
    (folder / "middle.xml").write_text('<ForceField><Include file="bad.xml"/></ForceField>')
    (folder / "salt.xml").write_text(salt.replace("<AtomTypes>", f'<Include file="{include}"/><AtomTypes>'))
    return folder / "salt.pdb", folder / "salt.xml", bad, trace


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(sorted(PLACES)), way=st.sampled_from(WAYS))
def test_code_is_refused_wherever_it_stands(place, way, tmp_path_factory):
    pdb, xml, bad, trace = write(tmp_path_factory.mktemp("xml"), place, way)
    with pytest.raises(LabkitError, match=rf"{bad.name}: <{place}> holds Python code, .*scripts="):
        load(pdb, xml)
    assert not trace.exists()
    with pytest.raises(LabkitError, match="holds Python code"):
        load(pdb, xml, scripts=["another.xml"])
    assert not trace.exists()


def test_code_runs_where_it_is_asked_for_by_name(tmp_path):
    pdb, xml, bad, trace = write(tmp_path, "InitializationScript", "included")
    state, _ = load(pdb, xml, scripts=[bad])
    assert trace.exists() and state.system.n_atoms == 1


def test_files_that_come_with_openmm_may_have_code(tmp_path, monkeypatch):
    """implicit/gbn2.xml has a <Script>; a file of the same name in the working folder is another file."""
    open_forcefield("amber14-all.xml", "implicit/gbn2.xml")
    (tmp_path / "implicit").mkdir()
    (tmp_path / "implicit" / "gbn2.xml").write_text(f"<ForceField>{INITIAL.format('1 / 0')}</ForceField>")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabkitError, match=r"gbn2.xml: <InitializationScript> holds Python code, '1 / 0'"):
        open_forcefield("amber14-all.xml", "implicit/gbn2.xml")


def test_literals_are_no_code(tmp_path):
    (tmp_path / "plain.xml").write_text(f"<ForceField>{EVALUATED.format('False')}</ForceField>")
    open_forcefield(tmp_path / "plain.xml")


def test_xml_that_expands_itself_is_refused(tmp_path):
    lines = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{k} "{f"&a{k - 1};" * 9}">' for k in range(1, 12))]
    (tmp_path / "bomb.xml").write_text(f"<!DOCTYPE x [{''.join(lines)}]><ForceField>&a11;</ForceField>")
    with pytest.raises(LabkitError, match=r"bomb.xml: not XML that is safe to read"):
        open_forcefield(tmp_path / "bomb.xml")
    with pytest.raises(LabkitError, match=r"none.xml: there is no such file"):
        open_forcefield("none.xml")
