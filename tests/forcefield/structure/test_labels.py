"""Any atoms in another order are found, other names for the same atoms are not."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.forcefield.structure.labels import AtomLabels, check_order

RESIDUES = {
    "ALA": ["N", "H", "CA", "HA", "CB", "HB1", "HB2", "HB3", "C", "O"],
    "SER": ["N", "H", "CA", "HA", "CB", "HB2", "HB3", "OG", "HG", "C", "O"],
    "HOH": ["O", "H1", "H2"],
    "NA": ["NA"],
    "CL": ["CL"],
}
NUMBERS = {"N": 7, "H": 1, "C": 6, "O": 8, "S": 16}


def element(residue: str, name: str) -> int:
    return {"NA": 11, "CL": 17}.get(residue) or NUMBERS[name[0]]


@st.composite
def structures(draw) -> AtomLabels:
    kinds = draw(st.lists(st.sampled_from(sorted(RESIDUES)), min_size=2, max_size=12))
    first = draw(st.sampled_from([1, 9995]))  # numbers of four digits run over
    residues, names = [], []
    for k, residue in enumerate(kinds):
        names += RESIDUES[residue]
        residues += [("A", str((first + k) % 10000), residue)] * len(RESIDUES[residue])
    return AtomLabels("a.prmtop", [element(r[2], n) for r, n in zip(residues, names)], True, names, residues)


def reordered(labels: AtomLabels, order: list[int]) -> AtomLabels:
    return AtomLabels(
        "b.pdb", [labels.numbers[k] for k in order], True, [labels.names[k] for k in order],
        [labels.residues[k] for k in order],
    )  # fmt: skip


def without(labels: AtomLabels, what: str) -> AtomLabels:
    return dataclasses.replace(labels, **{what: None})


@settings(max_examples=200, deadline=None)
@given(labels=structures(), data=st.data())
def test_two_atoms_in_each_others_place(labels, data):
    places = st.integers(0, len(labels) - 1)
    i, j = data.draw(places), data.draw(places)
    identity = [(labels.names[k], labels.residues[k]) for k in (i, j)]
    assume(i != j)
    order = list(range(len(labels)))
    order[i], order[j] = j, i
    whole = {labels.residues[k] for k in (i, j) if len(RESIDUES[labels.residues[k][2]]) == 1}
    assume(len(whole) < 2 or labels.residues[i][2] != labels.residues[j][2])  # two ions of one kind are the same
    assert identity[0] != identity[1]
    for first, other in ((labels, reordered(labels, order)), (reordered(labels, order), labels)):
        with pytest.raises(LabkitError, match=r"have their atoms in another order: atom \d+ is .* in the first and"):
            check_order(first, other)


@settings(max_examples=100, deadline=None)
@given(labels=structures(), seed=st.integers(0, 2**32 - 1))
def test_all_atoms_in_any_order(labels, seed):
    order = random.Random(seed).sample(range(len(labels)), len(labels))
    changed = [(labels.numbers[a], labels.names[a]) for a in order] != list(zip(labels.numbers, labels.names))
    assume(changed)
    with pytest.raises(LabkitError, match="another order"):
        check_order(labels, reordered(labels, order))


@settings(max_examples=100, deadline=None)
@given(labels=structures(), data=st.data())
def test_the_same_atoms_by_other_conventions(labels, data):
    rename = {"HB2": "HB1", "HB3": "HB2", "H": "HN", "O": "OT1", "HB1": "HB3"} if data.draw(st.booleans()) else {}
    hydrogens = {"SER": rename, "HOH": {"O": "OH2"}, "ALA": {"H": "H1"}}
    names = [hydrogens.get(r[2], {}).get(n, n) for n, r in zip(labels.names, labels.residues)]
    called = {"HOH": "TIP3", "NA": "SOD", "SER": "NSER"}
    residues = [(c, str(int(k) + 7), called.get(r, r)) for c, k, r in labels.residues]
    other = AtomLabels("b.pdb", labels.numbers, True, names, residues)
    check_order(labels, other)
    check_order(other, labels)
    one = [("", "1", "MOL")] * len(labels)  # a file that knows no residues
    check_order(labels, dataclasses.replace(other, residues=one, names=labels.names))
    for what in ("numbers", "names", "residues"):
        check_order(without(labels, what), other)
        check_order(labels, without(other, what))


def test_other_atoms_and_other_counts():
    one = AtomLabels("a.prmtop", [6, 1, 8])
    with pytest.raises(LabkitError, match=r"a.prmtop and b.xyz have other atoms: atom 2 is O in the first and S in"):
        check_order(one, AtomLabels("b.xyz", [6, 1, 16]))
    check_order(one, AtomLabels("b.psf", [6, 1, 16], sure=False))  # by masses, or by names
    with pytest.raises(LabkitError, match="a.prmtop has 3 atoms, b.xyz has 2; give files of one system"):
        check_order(one, AtomLabels("b.xyz", [6, 1]))
    numbered, alone = [("", "1", "ION"), ("", "1", "HOH"), ("", "1", "ION")], [("", str(k), "X") for k in range(3)]
    ions = [AtomLabels("a", names=["NA", "O", "CL"], residues=residues) for residues in (numbered, alone)]
    check_order(*ions)  # residues that share a number
    check_order(*ions[::-1])
    beads = AtomLabels("a.psf", [0, 0, 0], False, ["CA"] * 3, [("A", str(k), "ALA") for k in range(3)])
    check_order(beads, AtomLabels("b.xyz", [6, 6, 6]))
