"""Parameters by types: one prior for any batch, equal to force fields written row by row, to OpenMM, to derivatives."""

import math
from itertools import combinations

import numpy as np
import openmm
import pytest
import torch
from ase.build import molecule
from forcefield.compare import energies_and_forces
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import Potential, State
from labkit.engine import VelocityVerlet, simulate
from labkit.errors import LabkitError
from labkit.forcefield import (
    Bias,
    Cmap,
    Coulomb,
    FlatBottom,
    ForceField,
    HarmonicAngles,
    HarmonicBonds,
    LennardJones,
    Nbfix,
    Pme,
    RepulsionCG,
    Torsions,
    TypedForceField,
    TypedTerm,
    to_openmm,
)
from labkit.forcefield.fast.uncompiled import Uncompiled
from labkit.forcefield.topology import angles_of, dihedrals_of, near_pairs_of, neighbours_of
from labkit.units import KJ_PER_MOL
from tests.base.beads import chain, together

# CA and CB beads of a chain, a side chain on each residue but glycine
CHIGNOLIN = ["CA", "CB:TYR", "CA", "CB:TYR", "CA", "CB:ASP", "CA:GLY", "CA", "CB:THR"]
CHIGNOLIN_BONDS = [(0, 1), (0, 2), (2, 3), (2, 4), (4, 5), (4, 6), (6, 7), (7, 8)]
BONDS = {
    ("CA", "CA"): {"k": 12.0, "r0": 3.8},
    ("CA", "CA:GLY"): {"k": 13.0, "r0": 3.7},
    ("CB:TYR", "CA"): {"k": 27.0, "r0": 1.6},
    ("CA", "*"): {"k": 20.0, "r0": 1.5},
}
ANGLES = {("*", "CA", "*"): {"k": 0.4, "theta0": 1.9}, ("CA", "CA:GLY", "*"): {"k": 0.3, "theta0": 2.1}}
DIHEDRALS = {
    ("*", "*", "*", "*"): None,  # of side chains
    ("CA", "CA", "CA", "CA:GLY"): [{"n": 1, "phase": 0.7, "k": 0.05}, {"n": 2, "phase": -0.4, "k": 0.03}],
    ("CA", "CA", "CA:GLY", "CA"): {"n": 1, "phase": 1.1, "k": 0.04},
}
SIZES = {
    "CA": {"sigma": 3.2, "epsilon": 0.02},
    "CA:GLY": {"sigma": 3.0, "epsilon": 0.03},
    "*": {"sigma": 2.8, "epsilon": 0.04},
}
CHARGES = {"CB:ASP": {"charges": -1.0}, "CB:THR": {"charges": 0.3}, "*": {"charges": 0.1}}


def prior() -> TypedForceField:
    return TypedForceField(
        {
            "bonds": TypedTerm(HarmonicBonds, BONDS),
            "angles": TypedTerm(HarmonicAngles, ANGLES),
            "dihedrals": TypedTerm(Torsions, DIHEDRALS),
            "repulsion": TypedTerm(RepulsionCG, SIZES),
            "charges": TypedTerm(Coulomb, CHARGES, exclude=2),
        }
    )


def molecules() -> list[State]:
    return [
        chain(CHIGNOLIN, CHIGNOLIN_BONDS, seed=1),
        chain(["CA", "CA"], seed=2),
        chain(["CA", "CA", "CA", "CA:GLY"], seed=3),
        chain(CHIGNOLIN, CHIGNOLIN_BONDS, seed=4),
        chain(["CB:ASP"], seed=5),
    ]


def fits(entry: tuple[str, ...], types: tuple[str, ...]) -> int:
    """How many "*" an entry needs for these types in one of both directions; -1 where it does not fit."""
    ways = [sum(e == "*" for e in entry) for way in (types, types[::-1])
            if all(e in ("*", t) for e, t in zip(entry, way, strict=True))]  # fmt: skip
    return min(ways, default=-1)


def looked_up(table: dict, types: tuple[str, ...]) -> list[dict]:
    """By looking at each entry, as one would by hand."""
    keys = [((key,) if isinstance(key, str) else key) for key in table]
    fitting = [(fits(key, types), given) for key, given in zip(keys, table.values(), strict=True)]
    best = min((f for f in fitting if f[0] >= 0), key=lambda f: f[0])[1]
    return [] if best is None else best if isinstance(best, list) else [best]


def paths(bonds: list[list[int]], n: int, length: int) -> list[tuple[int, ...]]:
    """All paths along `length` bonds, each once."""
    near = {i: [k for b in bonds if i in b for k in b if k != i] for i in range(n)}
    found = [(i,) for i in range(n)]
    for _ in range(length):
        found = [path + (k,) for path in found for k in near[path[-1]] if k not in path]
    return [path for path in found if path[0] < path[-1]]


def by_hand(state: State) -> ForceField:
    """The same force field, row by row."""
    system = state.system
    n, bonds = system.n_atoms, system.bonds.tolist()
    types = [system.type_name(k) for k in range(n)]

    def rows(table: dict, length: int, *names: str) -> tuple[list, ...]:
        found = [(path, e) for path in paths(bonds, n, length) for e in looked_up(table, tuple(types[a] for a in path))]
        return [path for path, _ in found], *([e[name] for _, e in found] for name in names)

    def apart(most: int) -> list[tuple[int, ...]]:
        return sorted({(p[0], p[-1]) for length in range(1, most + 1) for p in paths(bonds, n, length)})

    each = {name: [looked_up(table, (t,))[0][name] for t in types]
            for table, names in ((SIZES, ("sigma", "epsilon")), (CHARGES, ("charges",))) for name in names}  # fmt: skip
    return ForceField(
        {
            "bonds": HarmonicBonds(*rows(BONDS, 1, "k", "r0")),
            "angles": HarmonicAngles(*rows(ANGLES, 2, "k", "theta0")),
            "dihedrals": Torsions(*rows(DIHEDRALS, 3, "n", "phase", "k")),
            "repulsion": RepulsionCG(each["sigma"], each["epsilon"], apart(3)),
            "charges": Coulomb(each["charges"], apart(2)),
        },
        n,
    )


def test_one_prior_is_the_force_fields_of_all_molecules_of_a_batch() -> None:
    states, forcefield = molecules(), prior()
    batch = together(states)
    expected = ForceField.batch([by_hand(state) for state in states])
    for name, potential in (("compiled", forcefield), ("autograd", Uncompiled(forcefield))):
        found, other = potential.evaluate(batch), expected.evaluate(batch)
        torch.testing.assert_close(found.energy, other.energy, rtol=1e-11, atol=1e-12, msg=name)
        torch.testing.assert_close(found.forces, other.forces, rtol=1e-10, atol=1e-11, msg=name)
    for k, state in enumerate(states):  # and each alone, by the same object
        alone = forcefield.evaluate(state)
        torch.testing.assert_close(found.energy[k : k + 1], alone.energy, rtol=1e-12, atol=1e-13)
    assert found.energy.abs().min() > 1e-3 or len(states[-1].positions) == 1


def test_replicas_need_no_repeat() -> None:
    state, forcefield = molecules()[0], prior()
    moved = [state.replace(positions=state.positions * scale) for scale in (1.0, 0.97, 1.02)]
    three, repeated = together(moved), by_hand(state).repeat(3)
    found, expected = forcefield.evaluate(three), repeated.evaluate(three)
    torch.testing.assert_close(found.energy, expected.energy, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(found.forces, expected.forces, rtol=1e-11, atol=1e-12)
    assert len(set(found.energy.tolist())) == 3


def openmm_system(state: State) -> openmm.System:
    """The prior written in OpenMM's own forces, without labkit's terms."""
    system, mm, kj = state.system, openmm.System(), KJ_PER_MOL
    n, bonds = system.n_atoms, system.bonds.tolist()
    types = [system.type_name(k) for k in range(n)]
    for mass in system.masses.tolist():
        mm.addParticle(mass)
    harmonic, bent, turned = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    repulsion = openmm.CustomNonbondedForce("4*sqrt(e1*e2)*((s1+s2)/2/r)^6")
    for name in "se":
        repulsion.addPerParticleParameter(name)
    charges = openmm.NonbondedForce()
    for i, j in bonds:
        (e,) = looked_up(BONDS, (types[i], types[j]))
        harmonic.addBond(i, j, e["r0"] / 10, e["k"] / kj * 100)
    for path in paths(bonds, n, 2):
        (e,) = looked_up(ANGLES, tuple(types[a] for a in path))
        bent.addAngle(*path, e["theta0"], e["k"] / kj)
    for path in paths(bonds, n, 3):
        for e in looked_up(DIHEDRALS, tuple(types[a] for a in path)):
            turned.addTorsion(*path, e["n"], e["phase"], e["k"] / kj)
    for kind in types:
        (size,), (charge,) = looked_up(SIZES, (kind,)), looked_up(CHARGES, (kind,))
        repulsion.addParticle([size["sigma"] / 10, size["epsilon"] / kj])
        charges.addParticle(charge["charges"], 1.0, 0.0)
    repulsion.createExclusionsFromBonds(bonds, 3)
    for i, j in {(p[0], p[-1]) for length in (1, 2) for p in paths(bonds, n, length)}:
        charges.addException(i, j, 0.0, 1.0, 0.0)
    for force in (harmonic, bent, turned, repulsion, charges):
        mm.addForce(force)
    return mm


def test_openmm_agrees() -> None:
    states = molecules()
    batch = together(states)
    found = prior().evaluate(batch)
    for k, state in enumerate(states):
        energy, forces = energies_and_forces(openmm_system(state), state.positions.numpy() / 10)
        assert float(found.energy[k]) == pytest.approx(energy, rel=1e-7, abs=1e-8)
        start, end = batch.system.offsets[k : k + 2]
        np.testing.assert_allclose(found.forces[start:end].numpy(), forces, rtol=1e-6, atol=1e-7)


def test_it_is_written_for_openmm_as_any_force_field() -> None:
    state = molecules()[0]
    energy, _ = energies_and_forces(
        to_openmm(prior().forcefield(state.system), state.system.masses), state.positions.numpy() / 10
    )
    assert energy == pytest.approx(float(prior().evaluate(state).energy[0]), rel=1e-7)


def test_forces_are_derivatives() -> None:
    state, forcefield = together(molecules()), prior()
    found = forcefield.evaluate(state).forces
    for atom, axis in ((0, 0), (3, 1), (7, 2), (10, 0), (13, 1), (20, 2)):
        shift = torch.zeros_like(state.positions)
        shift[atom, axis] = 1e-5
        up, down = (
            forcefield.evaluate(state.replace(positions=state.positions + s)).energy.sum() for s in (shift, -shift)
        )
        assert float(found[atom, axis]) == pytest.approx(-float(up - down) / 2e-5, abs=1e-6)


@given(st.permutations(range(len(CHIGNOLIN))), st.permutations(range(3)))
@settings(max_examples=20, deadline=None)
def test_order_of_beads_and_of_molecules_is_of_no_account(order: list[int], molecules_order: list[int]) -> None:
    forcefield, whole = prior(), chain(CHIGNOLIN, CHIGNOLIN_BONDS, seed=1)
    place = np.argsort(order)
    mixed = chain([CHIGNOLIN[k] for k in order], [(place[i], place[j]) for i, j in CHIGNOLIN_BONDS])
    mixed = mixed.replace(positions=whole.positions[order])
    states = [molecules()[2], mixed, molecules()[1]]
    found = forcefield.evaluate(together([states[k] for k in molecules_order]))
    here = molecules_order.index(1)
    expected = forcefield.evaluate(whole)
    assert float(found.energy[here]) == pytest.approx(float(expected.energy[0]), rel=1e-11)
    start = sum(states[k].system.n_atoms for k in molecules_order[:here])
    torch.testing.assert_close(found.forces[start : start + 9], expected.forces[order], rtol=1e-9, atol=1e-10)


def test_parameters_have_gradients_of_energies_and_of_forces() -> None:
    batch, forcefield = together(molecules()), prior()
    target = torch.randn(batch.positions.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = {
        f"{name}.{parameter}": values
        for name, term in forcefield.terms.items()
        for parameter, values in term.values.items()
    }
    for values in wanted.values():
        values.requires_grad_()

    def loss() -> torch.Tensor:
        found = forcefield.evaluate(batch, create_graph=True)
        return (found.forces - target).square().sum() + found.energy.square().sum()

    slopes = torch.autograd.grad(loss(), list(wanted.values()))
    for (name, values), slope in zip(wanted.items(), slopes, strict=True):
        for row in range(len(values)):
            changed = []
            for step in (1e-5, -2e-5, 1e-5):
                with torch.no_grad():
                    values[row] += step
                changed.append(float(loss().detach()))
            expected = (changed[0] - changed[1]) / 2e-5
            assert float(slope[row]) == pytest.approx(expected, rel=1e-4, abs=1e-4), (name, row)
    assert all(float(slope.abs().max()) > 0 for slope in slopes)


def test_changed_parameters_are_used_at_once_also_by_kernels() -> None:
    batch, forcefield = together(molecules()), prior()
    before = forcefield.evaluate(batch).energy
    with torch.no_grad():
        for values in forcefield.terms["bonds"].values.values():
            values *= 1.1
    after, fresh = forcefield.evaluate(batch).energy, Potential.evaluate(forcefield, batch).energy
    torch.testing.assert_close(after, fresh, rtol=1e-12, atol=1e-13)
    assert float((after - before).abs().max()) > 1e-3


def test_it_runs_in_dynamics_compiled_and_in_a_sum() -> None:
    batch, forcefield = together(molecules()), prior()
    assert TypedForceField({"bonds": forcefield.terms["bonds"]}).compiled(batch) is not None
    ends = [simulate(batch, p, VelocityVerlet(), 50, 1.0).positions for p in (forcefield, Uncompiled(forcefield))]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-9)
    assert float((ends[0] - batch.positions).abs().max()) > 0.01
    wall = Bias(lambda r, cell: r[0], lambda s: s.square().sum())
    both = (forcefield + wall).evaluate(batch).energy
    torch.testing.assert_close(both, forcefield.evaluate(batch).energy + wall.evaluate(batch).energy)


def test_single_precision_and_fresh_batches_after_a_move() -> None:
    batch, forcefield = together(molecules()), prior()
    exact = forcefield.evaluate(batch).energy
    forcefield.to(torch.float32)
    assert forcefield.terms["bonds"].values["k"].dtype == torch.float32
    single = batch.replace(positions=batch.positions.float(), cell=batch.cell.float())
    torch.testing.assert_close(forcefield.evaluate(single).energy.double(), exact, rtol=1e-5, atol=1e-5)


PAIRS = {
    ("CA", "CA"): {"repulsive": 200.0, "attractive": 1.0},
    ("CA", "CA:GLY"): {"repulsive": 150.0, "attractive": -2.0},
    ("*", "*"): {"repulsive": 100.0, "attractive": 0.5},
}


@pytest.mark.parametrize("cutoff", [None, 7.0])
def test_pairs_of_types(cutoff: float | None) -> None:
    states = molecules()
    batch, forcefield = (
        together(states),
        TypedForceField({"pairs": TypedTerm(Nbfix, PAIRS, exclude=1, cutoff=cutoff)}),
    )
    found = forcefield.evaluate(batch)
    for k, state in enumerate(states):
        types = [state.system.type_name(a) for a in range(state.system.n_atoms)]
        bonded, energy = set(map(tuple, state.system.bonds.tolist())), 0.0
        for i, j in combinations(range(len(types)), 2):
            r = float((state.positions[i] - state.positions[j]).norm())
            if (i, j) not in bonded and (cutoff is None or r < cutoff):
                (e,) = looked_up(PAIRS, (types[i], types[j]))
                energy += e["repulsive"] / r**12 - e["attractive"] / r**6
        assert float(found.energy[k]) == pytest.approx(energy, rel=1e-10, abs=1e-12)
    values = forcefield.terms["pairs"].values["attractive"].requires_grad_()
    (slope,) = torch.autograd.grad(forcefield.evaluate(batch, create_graph=True).energy.sum(), values)
    assert float(slope[0]) < 0 and float(slope[2]) < 0 and (slope <= 0).all()
    torch.testing.assert_close(Potential.evaluate(forcefield, batch).forces.detach(), found.forces)


def test_periodic_cells_and_cutoffs() -> None:
    frames = [state.to_atoms()[0] for state in molecules()[:3]]
    for frame in frames:
        frame.set_cell([14.0, 15.0, 16.0])
        frame.pbc = True
    batch = State.from_atoms(frames)
    forcefield = TypedForceField(
        {
            "bonds": TypedTerm(HarmonicBonds, BONDS, periodic=True),
            "lj": TypedTerm(LennardJones, SIZES, cutoff=6.0, switch=5.0),
            "pme": TypedTerm(Pme, CHARGES, exclude=2, cutoff=6.5),
        }
    )
    assert forcefield.cutoff == 6.5 and TypedForceField({"pme": TypedTerm(Pme, CHARGES)}).cutoff == 9.0
    found = forcefield.evaluate(batch, stress=True)
    slow = Uncompiled(forcefield).evaluate(batch, stress=True)
    for name in ("energy", "forces", "stress"):
        torch.testing.assert_close(getattr(found, name), getattr(slow, name), rtol=1e-8, atol=1e-9)
    assert found.energy.shape == (3,) and float(found.energy.abs().min()) > 1e-3


def test_single_beads_and_rows_of_ones_own() -> None:
    batch = together(molecules())
    wall = TypedTerm(FlatBottom, {"CA": {"k": 1.0, "centres": [0.0, 0, 0], "radius": 4.0}, "*": None})
    ends = TypedTerm(
        HarmonicBonds, {("*", "*"): {"k": 1.0, "r0": 5.0}},
        rows=lambda system: angles_of(system.bonds.numpy())[:, [0, 2]],
    )  # fmt: skip
    found = TypedForceField({"wall": wall, "ends": ends}).forcefield(batch.system)
    assert {batch.system.type_name(a) for a in found.terms["wall"].atoms[:, 0]} == {"CA"}
    assert len(found.terms["wall"].atoms) == len(batch.system.of_types["CA"])
    assert found.terms["ends"].atoms.tolist() == angles_of(batch.system.bonds.numpy())[:, [0, 2]].tolist()


bonds_of_six = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda b: b[0] < b[1]), max_size=12)


@given(bonds_of_six)
@settings(deadline=None)
def test_what_follows_from_bonds(bonds: set[tuple[int, int]]) -> None:
    rows = sorted(bonds)
    assert sorted(map(tuple, angles_of(rows).tolist())) == sorted(paths(rows, 6, 2))
    assert list(map(tuple, dihedrals_of(rows).tolist())) == sorted(paths(rows, 6, 3))
    assert neighbours_of(rows) == {
        i: near for i in range(6) if (near := sorted(k for b in rows if i in b for k in b if k != i))
    }
    for most in range(4):
        expected = {(p[0], p[-1]) for length in range(1, most + 1) for p in paths(rows, 6, length)}
        assert set(map(tuple, near_pairs_of(np.array(rows), 6, most).tolist())) == expected


names = st.lists(st.sampled_from(["A", "B", "C"]), min_size=2, max_size=6)
entries = st.dictionaries(
    st.tuples(*(st.sampled_from(["A", "B", "C", "*"]),) * 3).map(lambda t: min(t, t[::-1])),
    st.floats(0.1, 3.0), min_size=1,
)  # fmt: skip


@given(st.lists(names, min_size=1, max_size=3), entries)
@settings(max_examples=60, deadline=None)
def test_the_entry_with_the_fewest_stars_counts_or_it_is_said(parts: list[list[str]], table: dict) -> None:
    states = [chain(part, seed=k) for k, part in enumerate(parts)]
    batch = together(states)
    kinds = [batch.system.type_name(k) for k in range(batch.system.n_atoms)]
    given_table = {key: {"k": k, "theta0": 1.0} for key, k in table.items()}
    expected, wrong = [], []
    for path in angles_of(batch.system.bonds.numpy()).tolist():
        stars = {key: fits(key, tuple(kinds[a] for a in path)) for key in table}
        least = min((n for n in stars.values() if n >= 0), default=None)
        fitting = [] if least is None else [key for key, n in stars.items() if n == least]
        if len(fitting) == 1:
            expected.append(table[fitting[0]])
        else:
            wrong.append("equally well" if fitting else "no entry for the types")
    if wrong:
        with pytest.raises(LabkitError, match="|".join(set(wrong))):
            TypedTerm(HarmonicAngles, given_table).term(batch.system)
        return
    assert TypedTerm(HarmonicAngles, given_table).term(batch.system).k.tolist() == pytest.approx(expected)


ONE = {("A", "A"): {"k": 1.0, "r0": 1.0}}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TypedTerm(HarmonicBonds, {}), "no entries"),
        (lambda: TypedTerm(HarmonicBonds, {("A", "B"): ONE, ("B", "A"): ONE}), r"two entries for \(B, A\)"),
        (lambda: TypedTerm(HarmonicBonds, {("A", "A"): {"k": 1.0}}), "r0 is missing"),
        (lambda: TypedTerm(HarmonicBonds, {("A", "A"): {"k": 1.0, "r": 1.0}}), "unknown parameter 'r'"),
        (lambda: TypedTerm(HarmonicBonds, {("A", "A"): {"k": math.nan, "r0": 1.0}}), r"\(A, A\): k is not finite"),
        (lambda: TypedTerm(HarmonicBonds, {("A", "A"): {"k": "x", "r0": 1.0}}), "k is not a number"),
        (lambda: TypedTerm(HarmonicBonds, {**ONE, ("A",): ONE[("A", "A")]}), r"has 1 types"),
        (lambda: TypedTerm(RepulsionCG, {("A", "B"): {"sigma": 1, "epsilon": 1}}), "entries of 2 types, expected 1"),
        (lambda: TypedTerm(RepulsionCG, {"A": None}), "expected one set of parameters"),
        (lambda: TypedTerm(Cmap, {"A": None}), "'Cmap' is not a kind of term that can be given by types"),
        (lambda: TypedTerm("bonds", ONE), "'bonds' is not a kind of term"),
        (lambda: TypedTerm(HarmonicBonds, {1: {}}), "not a tuple of type names"),
        (lambda: TypedForceField({}), "without terms"),
        (lambda: TypedForceField({"b": HarmonicBonds([[0, 1]], 1.0, 1.0)}), "expected a TypedTerm"),
        (
            lambda: TypedTerm(HarmonicBonds, ONE).term(together([chain("AA"), chain("AB")]).system),
            r"HarmonicBonds, frame 1, atoms 0, 1: no entry for the types \(A, B\); 'B' is in none",
        ),
        (
            lambda: TypedTerm(RepulsionCG, {"CAG": {"sigma": 1, "epsilon": 1}}).term(chain(["CAG", "CA"]).system),
            r"RepulsionCG, frame 0, atom 1: no entry for the types \(CA\); 'CA' is in none; did you mean 'CAG'",
        ),
        (
            lambda: TypedTerm(HarmonicAngles, {
                ("A", "*", "*"): {"k": 1.0, "theta0": 1.0}, ("*", "B", "*"): {"k": 1.0, "theta0": 1.0}
            }).term(chain("ABC").system),
            r"frame 0, atoms 0, 1, 2: .* fit \(A, B, C\) equally well",
        ),
        (
            lambda: TypedTerm(HarmonicBonds, ONE).term(State.from_atoms(molecule("H2O")).system),
            "the bonds of this batch are not known",
        ),
    ],
)  # fmt: skip
def test_nonsense_is_told(make, words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        make()
