"""Spreads of committees: closed forms, what an evaluation already holds, sums."""

import numpy as np
import pytest
import torch
from active.cases import Pair, gap, pairs
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as some

from labkit.active import CommitteeSpread, GpVariance, in_quadrature
from labkit.base import AsePotential, Committee, Potential, State
from labkit.errors import LabkitError


def waters() -> State:
    frames = [molecule("H2O"), molecule("CH4")]
    for seed, frame in enumerate(frames):
        frame.rattle(0.1, seed=seed)
    return State.from_atoms(frames)


@settings(deadline=None)
@given(some.lists(some.floats(-3, 3), min_size=2, max_size=6))
def test_members_that_differ_by_a_factor(factors: list[float]) -> None:
    """ε_k E: the spread is |E| std(ε) of energies, |F| std(ε) of forces."""
    state = waters()
    one = Pair().evaluate(state, per_atom=True)
    committee, width = Committee([Pair(k) for k in factors]), np.std(factors, ddof=1)
    spread, of_atoms = CommitteeSpread(committee)(state), CommitteeSpread(committee, per_atom="energies")(state)
    for found in (spread, of_atoms):
        np.testing.assert_allclose(found.per_system, one.energy.abs() * width, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(spread.per_atom, one.forces.norm(dim=1) * width, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(of_atoms.per_atom, one.per_atom.abs() * width, rtol=1e-9, atol=1e-12)
    assert spread.unit_per_atom == "eV/Å" and of_atoms.unit_per_atom == spread.unit_per_system == "eV"


def test_spread_is_that_of_the_members() -> None:
    state, potentials = waters(), [Pair(0.1), Pair(0.2, cutoff=2.5), Pair(0.4)]
    energies = torch.stack([p.evaluate(state).energy for p in potentials])
    forces = torch.stack([p.evaluate(state).forces for p in potentials])
    spread = CommitteeSpread(Committee(potentials))(state)
    torch.testing.assert_close(spread.per_system, energies.std(0))
    torch.testing.assert_close(spread.per_atom, forces.std(0).square().sum(1).sqrt())
    a, b, c = potentials
    in_sum = CommitteeSpread(Committee([a, b]) + c)(state)
    torch.testing.assert_close(in_sum.per_system, energies[:2].std(0))


def test_variances_of_a_sum_add() -> None:
    state, one, other = waters(), pairs(), Committee([Pair(0.3), Pair(0.5)])
    alone = [CommitteeSpread(committee)(state) for committee in (one, other)]
    potential = one + Pair(7.0) + other
    for spread in (CommitteeSpread(potential)(state), CommitteeSpread(potential)(state, potential.evaluate(state))):
        torch.testing.assert_close(spread.per_system**2, sum(s.per_system**2 for s in alone))
        torch.testing.assert_close(spread.per_atom**2, sum(s.per_atom**2 for s in alone))


def test_of_a_committee_and_a_gap_together(design, valid) -> None:
    state, committee = State.from_atoms(valid.atoms[:2]), pairs()
    potential = gap(design) + committee
    parts = [GpVariance(potential)(state), CommitteeSpread(potential, per_atom="energies")(state)]
    total = in_quadrature(parts)
    torch.testing.assert_close(total.per_system**2, parts[0].per_system ** 2 + parts[1].per_system ** 2)
    torch.testing.assert_close(total.per_atom**2, parts[0].per_atom ** 2 + parts[1].per_atom ** 2)
    with pytest.raises(LabkitError, match="unit_per_atom is 'eV' and 'eV/Å'"):
        in_quadrature([parts[0], CommitteeSpread(committee)(state)])


class Counts(Pair):
    calls = 0

    def evaluate(self, state, **wanted):
        self.calls += 1
        return super().evaluate(state, **wanted)


@pytest.mark.parametrize("in_sum", [False, True])
def test_what_is_known_is_not_computed_again(in_sum: bool) -> None:
    state, members = waters(), [Counts(1.0), Counts(1.1)]
    potential: Potential = Committee(members) + Pair(0.3) if in_sum else Committee(members)
    uncertainty = CommitteeSpread(potential)
    known = potential.evaluate(state)
    spread = uncertainty(state, known)
    assert [m.calls for m in members] == [1, 1]
    without = uncertainty(state, Pair().evaluate(state))  # an evaluation that has lost its members
    assert [m.calls for m in members] == [2, 2]
    torch.testing.assert_close(spread.per_atom, without.per_atom)


def test_energies_alone() -> None:
    state, committee = waters(), pairs()
    spread = CommitteeSpread(committee)(state, committee.evaluate(state, forces=False))
    assert spread.per_atom is None and spread.unit_per_atom is None and spread.per_system.shape == (2,)
    spread = CommitteeSpread(committee, per_atom="energies")(state, committee.evaluate(state))
    assert spread.per_atom is None


@pytest.mark.filterwarnings("ignore:AsePotential")
def test_members_from_outside_have_spreads_of_forces() -> None:
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.1, seed=1)
    state = State.from_atoms(copper)
    emt = AsePotential(EMT())
    committee = Committee([emt, emt + emt])
    alone = emt.evaluate(state)
    spread = CommitteeSpread(committee)(state)
    torch.testing.assert_close(spread.per_atom, alone.forces.norm(dim=1) / 2**0.5)
    torch.testing.assert_close(spread.per_system, alone.energy.abs() / 2**0.5)
    with pytest.raises(LabkitError, match="has no energies per atom"):
        CommitteeSpread(committee, per_atom="energies")(state)


def test_errors() -> None:
    state, committee = waters(), pairs()
    with pytest.raises(LabkitError, match="Pair has no members to compare; give Committee"):
        CommitteeSpread(Pair())
    with pytest.raises(LabkitError, match="per_atom is 'force'; expected 'forces' or 'energies'"):
        CommitteeSpread(committee, per_atom="force")
    other = State.from_atoms(molecule("H2O"))
    with pytest.raises(LabkitError, match=r"\[\(3, 1\)\], expected \[\(3, 2\)\]; give the evaluation of this"):
        CommitteeSpread(committee)(state, committee.evaluate(other))
    with pytest.raises(LabkitError, match=r"\[\(3, 2\)\], expected \[\(2, 2\)\]"):
        CommitteeSpread(Committee([Pair(), Pair(2.0)]))(state, committee.evaluate(state))
