"""PSF files as general topologies: whatever atoms and types are called, all rows are there, and moleculekit agrees."""

from __future__ import annotations

import string

import pytest
from forcefield.structure.files import write_psf
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.forcefield.structure.psf import Psf

NAMES = st.one_of(
    st.sampled_from(["LP1", "LPX", "OM", "D1", "DX", "H1", "H2", "CA", "Na+", "O5'", "c1", "*X"]),
    st.text(string.ascii_letters + string.digits + "'*+-", min_size=1, max_size=6),
)


@st.composite
def topologies(draw):
    n = draw(st.integers(2, 8))
    words = st.lists(NAMES, min_size=n, max_size=n)
    numbers = st.lists(st.integers(-2000, 2000).map(lambda q: q / 1000), min_size=n, max_size=n)

    def rows(width):
        return draw(st.lists(st.tuples(*[st.integers(0, n - 1)] * width), max_size=9))

    residues = draw(st.sampled_from(["MOL", "TIP3", "HOH", "ala"]))
    return {
        "names": draw(words), "types": draw(words), "charges": draw(numbers), "residues": [("A", "1", residues)] * n,
        "masses": draw(st.lists(st.sampled_from([0.0, 1.008, 12.011, 110.5]), min_size=n, max_size=n)),
        "bonds": rows(2), "angles": rows(3), "dihedrals": rows(4), "impropers": rows(4), "cross_terms": rows(8),
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(topologies(), st.sampled_from(["PSF", "PSF EXT", "PSF CMAP CHEQ", "PSF NAMD", "PSF EXT CMAP XPLOR"]))
def test_what_is_written_is_read(tmp_path_factory, topology, flags):
    path = tmp_path_factory.mktemp("psf") / "any.psf"
    write_psf(path, **topology, flags=flags)
    found = Psf.read(path)
    for field, values in topology.items():
        expected = values if field != "masses" else pytest.approx(values, abs=1e-4)
        assert getattr(found, field) == expected, field


def test_drude_lone_pairs_and_nonsense_are_named(tmp_path):
    path = tmp_path / "x.psf"
    some = dict(names=["C1", "D1"], types=["A", "B"], bonds=[(0, 1)])
    write_psf(path, **some, flags="PSF EXT DRUDE XPLOR")
    with pytest.raises(LabkitError, match="x.psf: a Drude psf .*no Drude oscillators"):
        Psf.read(path)
    write_psf(path, **some)
    text = path.read_text()
    path.write_text(text + "\n       1       3 !NUMLP NUMLPH\n       2       1   F   0.3  0.0  0.0\n       1 2 1\n")
    with pytest.raises(LabkitError, match="1 lone pairs"):
        Psf.read(path)
    for old, new, message in (
        ("1 !NBOND", "2 !NBOND", "!NBOND announces 2 rows of 2 atoms; found 2 numbers"),
        ("       1       2\n", "       1       9\n", "!NBOND names atom 9, but there are atoms 1 to 2"),
        ("12.0110", "heavy", "line 7: .*expected number, segment"),
        ("PSF\n", "CARD\n", "expected 'PSF'"),
        ("2 !NATOM", "3 !NATOM", "2 rows of atoms, but !NATOM announces 3"),
    ):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(LabkitError, match=message):
            Psf.read(path)
