"""Which pairs a run file of TorchMD excludes: written out by hand, and TorchMD itself where it can be imported."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import ase
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import State
from labkit.forcefield import from_torchmd_yaml
from labkit.forcefield.topology import angles_of, dihedrals_of
from labkit.units import COULOMB, KCAL_PER_MOL

TYPES = ["A", "B"]
LJ = {
    "A": dict(sigma=3.0, epsilon=0.2, sigma14=2.7, epsilon14=0.1),
    "B": dict(sigma=3.4, epsilon=0.1, sigma14=3.0, epsilon14=0.3),
}
FILE = {
    "atomtypes": TYPES,
    "bonds": {"(X, X)": dict(k0=10.0, req=3.8)},
    "angles": {"(X, X, X)": dict(k0=5.0, theta0=100.0)},
    "dihedrals": {
        "(A, X, X, X)": dict(
            terms=[dict(phi_k=k, phase=20.0, per=n) for k, n in ((0.3, 2), (0.1, 1))], scnb=2.0, scee=1.2
        ),
        "(B, X, X, B)": dict(terms=[dict(phi_k=0.7, phase=0.0, per=3)], scnb=1.5, scee=1.1),
    },
    "impropers": {f"(X, X, {t}, X)": dict(phi_k=k, phase=30.0, per=0) for t, k in (("A", 1.1), ("B", 0.8))},
    "lj": LJ,
    "masses": {"A": 12.0, "B": 14.0},
}  # fmt: skip
TERMS = ["bonds", "angles", "dihedrals", "impropers", "1-4", "lj", "electrostatics"]


@st.composite
def systems(draw):
    """Atoms with any bonds, some of the angles and dihedrals that follow from them, some terms, some exclusions."""
    n = draw(st.integers(3, 8))
    pairs = list(itertools.combinations(range(n), 2))

    def some(rows, least=0):
        rows = [tuple(map(int, row)) for row in rows]
        return draw(st.lists(st.sampled_from(rows), min_size=least, unique=True)) if rows else []

    bonds = some(pairs, least=1)
    listed = draw(st.booleans())  # all that follow, as in most files, or some
    angles, dihedrals = angles_of(bonds).tolist(), dihedrals_of(bonds).tolist()
    if not listed:
        angles, dihedrals = some(angles), some(dihedrals)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = np.array(list(itertools.product(range(3), repeat=3)))
    positions = 3.0 * grid[rng.permutation(27)[:n]] + rng.uniform(-0.6, 0.6, (n, 3))
    terms = draw(st.lists(st.sampled_from(TERMS), min_size=1, unique=True))
    if "1-4" in terms and "dihedrals" not in terms:
        terms.append("dihedrals")  # TorchMD has it so
    exclusions = draw(st.lists(st.sampled_from(["bonds", "angles", "1-4"]), unique=True))
    impropers = [tuple(map(int, rng.permutation(n)[:4])) for _ in range(draw(st.integers(0, 2)))] if n > 3 else []
    return SimpleNamespace(
        n=n, bonds=bonds, angles=angles, dihedrals=dihedrals, impropers=impropers, positions=positions, terms=terms,
        exclusions=exclusions, types=rng.choice(TYPES, n).tolist(), charges=rng.uniform(-0.5, 0.5, n),
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("torchmd") / "ff.yaml"
    path.write_text(yaml.safe_dump(FILE))
    return path


def ours(file, s, **how):
    forcefield = from_torchmd_yaml(
        file, s.types, s.bonds, angles=s.angles, dihedrals=s.dihedrals, impropers=s.impropers, terms=s.terms,
        charges=s.charges, exclusions=s.exclusions, **how,
    )  # fmt: skip
    found = forcefield.evaluate(State.from_atoms(ase.Atoms("C" * s.n, s.positions)))
    return float(found.energy) / KCAL_PER_MOL


def pair_energies(s, left_out):
    """Lennard-Jones and electrostatics of all pairs but these, kcal/mol."""
    lj = coulomb = 0.0
    for i, j in itertools.combinations(range(s.n), 2):
        if (i, j) not in left_out:
            r = np.linalg.norm(s.positions[i] - s.positions[j])
            (a, b) = (LJ[s.types[k]] for k in (i, j))
            x = (0.5 * (a["sigma"] + b["sigma"]) / r) ** 6
            lj += 4 * np.sqrt(a["epsilon"] * b["epsilon"]) * (x * x - x)
            coulomb += COULOMB / KCAL_PER_MOL * s.charges[i] * s.charges[j] / r
    return {"lj": lj, "electrostatics": coulomb}


def ends(rows):
    return {(min(row[0], row[-1]), max(row[0], row[-1])) for row in rows}


@settings(max_examples=40, deadline=None)
@given(s=systems())
def test_only_terms_in_use_exclude(file, s):
    s.terms = [t for t in s.terms if t != "1-4"]
    parts = {"bonds": ("bonds", s.bonds), "angles": ("angles", s.angles), "dihedrals": ("1-4", s.dihedrals)}
    left_out = set().union(*(ends(r) for t, (e, r) in parts.items() if t in s.terms and e in s.exclusions))
    pairs = [t for t in ("lj", "electrostatics") if t in s.terms]
    s.terms = [t for t in s.terms if t not in pairs]
    bonded = ours(file, s, only_terms_exclude=True) if any(t in s.terms and getattr(s, t) for t in s.terms) else 0.0
    for one in pairs:
        found = ours(file, SimpleNamespace(**{**vars(s), "terms": [*s.terms, one]}), only_terms_exclude=True)
        assert found - bonded == pytest.approx(pair_energies(s, left_out)[one], rel=1e-7, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(s=systems())
def test_labkits_default_is_by_all_bonds(file, s):
    s.terms, near = ["lj"], set()
    adjacent = np.zeros((s.n, s.n), dtype=int)
    for i, j in s.bonds:
        adjacent[i, j] = adjacent[j, i] = 1
    steps = [np.linalg.matrix_power(adjacent, k) > 0 for k in (1, 2, 3)]
    kinds = dict(zip(("bonds", "angles", "1-4"), steps, strict=True))
    s.angles = s.dihedrals = None
    s.exclusions = ["bonds", "angles", "1-4"]
    near = {(i, j) for i, j in itertools.combinations(range(s.n), 2) if any(kinds[k][i, j] for k in s.exclusions)}
    assert ours(file, s) == pytest.approx(pair_energies(s, near)["lj"], rel=1e-7, abs=1e-7)


@settings(max_examples=80, deadline=None)
@given(s=systems())
def test_torchmd_itself(file, s):
    pytest.importorskip("torchmd")
    from torchmd.forcefields.ff_yaml import YamlForcefield
    from torchmd.forces import Forces
    from torchmd.parameters import Parameters

    def array(rows, width):
        return np.array(rows, dtype=np.int64).reshape(-1, width)

    mol = SimpleNamespace(
        numAtoms=s.n, atomtype=np.array(s.types, dtype=object), charge=s.charges, masses=np.full(s.n, 12.0),
        bonds=array(s.bonds, 2), angles=array(s.angles, 3), dihedrals=array(s.dihedrals, 4),
        impropers=array(s.impropers, 4),
    )  # fmt: skip
    try:
        parameters = Parameters(YamlForcefield(mol, str(file)), mol, s.terms, precision=torch.double)
    except (AttributeError, TypeError):  # its own: 1-4 pairs are asked for, and there are none, or no exclusions
        return
    forces = Forces(parameters, terms=s.terms, exclusions=s.exclusions)
    place, box = torch.tensor(s.positions)[None], torch.zeros(1, 3, 3, dtype=torch.double)
    expected = forces.compute(place, box, torch.zeros_like(place))[0]
    if not np.isfinite(expected):
        return
    used = [t for t in s.terms if t in ("lj", "electrostatics") or (t != "1-4" and len(getattr(s, t)))]
    found = ours(file, s, only_terms_exclude=True) if used else 0.0
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
