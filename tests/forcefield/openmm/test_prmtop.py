"""AMBER's prmtop in any FORMAT of Fortran, and AMBER's files under the names of other programs' files."""

from __future__ import annotations

import re

import numpy as np
import pytest
from forcefield import files
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError

pytest.importorskip("openmm")

from labkit.forcefield import load
from labkit.forcefield.openmm.fortran_format import FortranFormat, written
from labkit.forcefield.openmm.prmtop import open_prmtop, sections
from labkit.forcefield.structure.kinds import kind


@st.composite
def forms(draw, letters):
    """A FORMAT, the widths of its fields in a record, and the columns that are skipped before each."""
    width, count, skip = draw(st.integers(9, 25)), draw(st.integers(1, 7)), draw(st.integers(0, 3))
    letter = draw(st.sampled_from(letters))
    letter = draw(st.sampled_from([letter, letter.lower()]))
    field = f"{letter}{width}" + (f".{draw(st.integers(1, 5))}" if letter.upper() in "EFDG" else "")
    field = f"{skip}X,{field}" if skip else field
    shape = draw(st.sampled_from(["{n}({f})", "{list}", "({list})", "({n}({f}))"]))
    return shape.format(n=count, f=field, list=",".join([field] * count)), width, count, skip


def text_of(values, width, count, skip, left):
    cells = [" " * skip + (v.ljust(width) if left else v.rjust(width)) for v in values]
    return ["".join(cells[k : k + count]) for k in range(0, len(cells), count)]


@given(st.data(), st.lists(st.integers(-99_999_999, 99_999_999), max_size=20))
def test_whole_numbers_in_any_format(data, values):
    form, width, count, skip = data.draw(forms("I"))
    lines = text_of([str(v) for v in values], width, count, skip, left=False)
    read = FortranFormat(form)
    assert [int(v) for line in lines for v in read.split(line)] == values


@given(st.data(), st.lists(st.integers(-99999, 99999).map(lambda k: k / 7e3), max_size=20), st.sampled_from("EeDd"))
def test_numbers_in_any_format(data, values, exponent):
    form, width, count, skip = data.draw(forms("EFDG"))
    cells = [f"{v:.2e}".replace("e", exponent) for v in values]
    lines = text_of(cells, width, count, skip, left=False)
    found = [float(v) for line in lines for v in FortranFormat(form).split(line)]
    assert found == [float(f"{v:.2e}") for v in values]


@given(st.lists(st.integers(-(10**12), 10**12).map(str) | st.floats(-1e300, 1e300).map(repr), max_size=9))
def test_what_is_written_is_read(values):
    letters = {"I"} if all(v.lstrip("-").isdigit() for v in values) else {"E"}
    form, records = written(values, letters)
    found = [v for record in records for v in FortranFormat(form).split(record)]
    assert [float(v) for v in found] == pytest.approx([float(v) for v in values], rel=1e-15)


@pytest.mark.parametrize(
    ("form", "line", "values"),
    [
        ("(20a4)", "H1  O1  CL-1", ["H1", "O1", "CL-1"]),
        ("(i2,a78)", " 1CHARMM force field", ["1", "CHARMM force field"]),
        ("(a)", "all of it", ["all of it"]),
        ("(1P,5E16.8)", "  1.73530963D-01 -9.43915140-101", ["1.73530963E-01", "-9.43915140E-101"]),
        ("(2(I3,2X,a4))", " 12  abcd 13  efgh 14  ij", ["12", "abcd", "13", "efgh", "14", "ij"]),
        ("(T5,I3,'kcal',I2)", "xxxx 12kcal 7", ["12", "7"]),
        ("(3I4)", "   1       3", ["1", "0", "3"]),  # Fortran reads blanks as 0
    ],
)
def test_single_formats(form, line, values):
    assert FortranFormat(form).split(line) == values


@pytest.mark.parametrize("form", ["(5Q8)", "()", "((I8)", "(I)", "(F9.5))", "(9999(9999(I8)))", "words"])
def test_what_is_no_format_is_refused(form, tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"({form.strip('()')[:3]}")):
        FortranFormat(form)
    path = files.write_amber(tmp_path)[0]
    path.write_text(path.read_text().replace("%FLAG MASS\n%FORMAT(5E16.8)", f"%FLAG MASS\n%FORMAT{form}"))
    with pytest.raises(LabkitError, match=r"chain.prmtop: line \d+: %FORMAT of MASS"):
        sections(path)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_prmtop_in_any_formats_is_the_same_system(data, tmp_path_factory):
    """Each section written in a FORMAT of its own: OpenMM and labkit read what they read of the plain file."""
    folder = tmp_path_factory.mktemp("prmtop")
    path, inpcrd = files.write_amber(folder)
    plain, energy = sections(path), float(_energy(path, inpcrd))
    lines = ["%VERSION  VERSION_STAMP = V0001.000"]
    for name, section in plain.items():
        letters = section.form.letters
        form, width, count, skip = data.draw(forms("A" if "A" in letters else "I" if "I" in letters else "E"))
        values = section.values
        if "E" in letters:  # as wide as it needs to be for all digits
            width = 17
            form = re.sub(r"[eE]\d+(\.\d+)?", "E17.9", form)
        records = text_of(values, width, count, skip, left="A" in letters)
        lines += [f"%FLAG {name}", f"%FORMAT({form})", *(records or [""])]
    other = folder / "other.prmtop"
    other.write_text("\n".join(lines) + "\n")
    assert {n: s.values for n, s in sections(other).items()} == {n: s.values for n, s in plain.items()}
    assert float(_energy(other, inpcrd)) == pytest.approx(energy, rel=1e-12)
    assert open_prmtop(other).topology.getNumAtoms() == 6


def _energy(path, inpcrd):
    state, taken = load(path, inpcrd)
    return taken.forcefield.evaluate(state).energy


def test_old_files_are_told(tmp_path):
    (tmp_path / "old.prmtop").write_text("title\n     6     4\n")
    with pytest.raises(LabkitError, match=r"old.prmtop: has no %FLAG POINTERS.*convert older files"):
        sections(tmp_path / "old.prmtop")


def test_names_that_several_programs_use(tmp_path):
    """AMBER's .top, .prm and .crd are read as AMBER's, CHARMM's and GROMACS's as theirs."""
    prmtop, inpcrd = files.write_amber(tmp_path)
    exact = float(_energy(prmtop, inpcrd))
    for ending in (".top", ".prm"):
        top, crd = tmp_path / f"amber{ending}", tmp_path / "amber.crd"
        top.write_bytes(prmtop.read_bytes())
        crd.write_bytes(inpcrd.read_bytes())
        assert float(_energy(top, crd)) == exact
    psf, charmm, prm = files.write_charmm(tmp_path)
    assert [kind(p) for p in (charmm, prm, files.write_gromacs(tmp_path)[0])] == [".crd", ".prm", ".top"]
    state, _ = load(psf, charmm, prm)
    np.testing.assert_allclose(state.positions.numpy(), 10 * files.POSITIONS, atol=1e-5)
