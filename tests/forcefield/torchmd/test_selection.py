"""Terms of a whole force field by the names of run files: all that belongs to a name counts, nothing else goes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.forcefield import (
    Cmap,
    Coulomb,
    ForceField,
    GeneralizedBorn,
    HarmonicBonds,
    HarmonicImpropers,
    LennardJones,
    Torsions,
    UreyBradley,
    load,
)
from labkit.forcefield.torchmd.selection import ALL, select
from labkit.units import COULOMB, KCAL_PER_MOL

openmm = pytest.importorskip("openmm")

from forcefield.files import CHARGES, POSITIONS, RMIN, SODIUM_CHLORIDE, TYPES, write_amber  # noqa: E402

EXCLUSIONS = ("bonds", "angles", "1-4")
BONDS, ANGLES, DIHEDRALS = [(0, 1), (1, 2), (2, 3)], [(0, 1, 2), (1, 2, 3)], [(0, 1, 2, 3)]
X = POSITIONS * 10


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A chain of four with one of everything, a torsion and an improper of the same atoms, Na and Cl with NBFIX."""
    prmtop, inpcrd = write_amber(tmp_path_factory.mktemp("amber"), nbfix=True)
    text = prmtop.read_text()
    text = text.replace(  # the second cosine around other atoms: an improper, by the sign of its last atom
        f"{0:8d}{3:8d}{-6:8d}{9:8d}{2:8d}", f"{0:8d}{6:8d}{-3:8d}{-9:8d}{2:8d}"
    )
    prmtop.write_text(text)
    state, taken = load(prmtop, inpcrd)
    assert {tuple(row) for row in taken.forcefield.terms["torsions"].atoms.tolist()} == {(0, 1, 2, 3), (0, 2, 1, 3)}
    return state, taken.forcefield


def pairs(left_out) -> dict[str, float]:
    """lj and electrostatics of all pairs but these, kcal/mol."""
    lj = coulomb = 0.0
    for i, j in itertools.combinations(range(6), 2):
        if (i, j) not in left_out:
            (r1, e1), (r2, e2) = RMIN[TYPES[i]], RMIN[TYPES[j]]
            rmin, epsilon = r1 + r2, np.sqrt(e1 * e2)
            if {TYPES[i], TYPES[j]} == {"SOD", "CLA"}:
                rmin, epsilon = SODIUM_CHLORIDE
            r = np.linalg.norm(X[i] - X[j])
            lj += epsilon * ((rmin / r) ** 12 - 2 * (rmin / r) ** 6)
            coulomb += COULOMB / KCAL_PER_MOL * CHARGES[i] * CHARGES[j] / r
    return {"lj": lj, "electrostatics": coulomb}


def bonded() -> dict[str, float]:
    """kcal/mol, of tests/forcefield/files.py."""

    def angle(i, j, k):
        a, b = X[i] - X[j], X[k] - X[j]
        return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    def dihedral(i, j, k, l):
        m, n = np.cross(X[j] - X[i], X[k] - X[j]), np.cross(X[k] - X[j], X[l] - X[k])
        return np.arccos(m @ n / np.linalg.norm(m) / np.linalg.norm(n))

    springs = ((0, 1, 310.0, 1.526), (1, 2, 310.0, 1.526), (2, 3, 320.0, 1.41))
    r = np.linalg.norm(X[0] - X[3])
    rmin, epsilon = RMIN["CT"][0] + RMIN["OX"][0], np.sqrt(RMIN["CT"][1] * RMIN["OX"][1])
    near = {"lj": epsilon * ((rmin / r) ** 12 - 2 * (rmin / r) ** 6) / 2}
    near["electrostatics"] = COULOMB / KCAL_PER_MOL * CHARGES[0] * CHARGES[3] / r / 1.2
    return {
        "bonds": sum(k * (np.linalg.norm(X[i] - X[j]) - r0) ** 2 for i, j, k, r0 in springs),
        "angles": 40.0 * (angle(0, 1, 2) - 1.911) ** 2 + 50.0 * (angle(1, 2, 3) - 1.911) ** 2,
        "dihedrals": 0.15 * (1 + np.cos(3 * dihedral(0, 1, 2, 3))),
        "impropers": 1.2 * (1 + np.cos(2 * dihedral(0, 2, 1, 3) - np.pi)),
        **{f"1-4 {name}": value for name, value in near.items()},
    }


@settings(max_examples=120, deadline=None)
@given(
    terms=st.lists(st.sampled_from(ALL), min_size=1, unique=True),
    exclusions=st.one_of(st.none(), st.lists(st.sampled_from(EXCLUSIONS), unique=True)),
)
def test_any_terms_and_exclusions(chain, terms, exclusions):
    state, forcefield = chain
    if not {*terms} - {"1-4"}:
        terms.append("lj")
    kinds = {"bonds": ("bonds", BONDS), "angles": ("angles", ANGLES), "dihedrals": ("1-4", DIHEDRALS)}
    left_out = set()
    for term, (kind, rows) in kinds.items():
        if kind in (EXCLUSIONS if exclusions is None else exclusions) and (
            term in terms or (term == "dihedrals" and "1-4" in terms)
        ):
            left_out |= {(row[0], row[-1]) for row in rows}
    parts, near = bonded(), pairs(left_out)
    expected = sum(parts[t] for t in terms if t in parts) + sum(near[t] for t in terms if t in near)
    expected += sum(parts[f"1-4 {t}"] for t in terms if t in near and "1-4" in terms)
    chosen = select(forcefield, terms, exclusions, impropers=[(0, 2, 1, 3)])
    assert float(chosen.evaluate(state).energy) / KCAL_PER_MOL == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_all_is_all(chain):
    state, forcefield = chain
    whole = forcefield.evaluate(state)
    for terms in (None, ALL):
        found = select(forcefield, terms, impropers=[(0, 2, 1, 3)]).evaluate(state)
        torch.testing.assert_close(found.energy, whole.energy)
        torch.testing.assert_close(found.forces, whole.forces)


def test_what_belongs_to_a_name():
    grid = np.zeros((1, 12, 12))
    cmap = Cmap([[0, 1, 2, 3, 1, 2, 3, 4]], [0], grid)
    terms = {
        "bonds": HarmonicBonds([[0, 1]], 1.0, 1.0), "urey_bradley": UreyBradley([[0, 2]], 1.0, 1.0), "cmap": cmap,
        "torsions": Torsions([[0, 1, 2, 3]], 1, 0.0, 0.1), "impropers": HarmonicImpropers([[0, 1, 2, 3]], 1.0, 0.0),
        "lennard_jones": LennardJones([1.0] * 5, [0.1] * 5), "coulomb": Coulomb([0.1] * 5),
        "implicit_solvent": GeneralizedBorn([0.1] * 5, [1.5] * 5, [0.8] * 5),
    }  # fmt: skip
    forcefield = ForceField(terms, 5)
    for names, expected in (
        (["bonds"], ["bonds"]), (["angles"], ["urey_bradley"]), (["dihedrals"], ["cmap", "torsions"]),
        (["impropers"], ["impropers"]), (["lj", "electrostatics"], ["lennard_jones", "coulomb"]),
    ):  # fmt: skip
        assert list(select(forcefield, names).terms) == [*expected, "implicit_solvent"]
    both = select(forcefield, ["impropers"], impropers=[(0, 1, 2, 3)])  # harmonic ones, and a torsion that is one
    assert [type(term) for term in both.terms.values()] == [Torsions, HarmonicImpropers, GeneralizedBorn]
    with pytest.raises(LabkitError, match="forceterms: unknown term 'bond'; did you mean 'bonds'"):
        select(forcefield, ["bond"])
    with pytest.raises(LabkitError, match="there is no term 1-4; there are bonds"):
        select(ForceField({"bonds": terms["bonds"]}, 5), ["1-4"])
