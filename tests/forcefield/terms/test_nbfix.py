"""Lennard-Jones by pairs of types: CHARMM's and AMBER's tables, and what a term of them is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labkit.base import State
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, LennardJones, Nbfix

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402
from forcefield.compare import energies_and_forces  # noqa: E402

from labkit.forcefield import from_openmm, state_from_openmm  # noqa: E402


def test_a_pair_of_its_own_makes_the_term():
    assert "nbfix" in from_openmm(systems.salt()[0]).terms
    mean = f'<NBFixPair type1="na" type2="cl" sigma="0.3279" epsilon="{(0.1962 * 0.6276) ** 0.5}"/>'
    for ordinary in (mean, ""):  # what follows Lorentz and Berthelot is an ordinary Lennard-Jones
        assert "lennard_jones" in from_openmm(systems.salt(ordinary)[0]).terms


def test_amber_tables_of_roots():
    """The table of AmberPrmtopFile and CharmmPsfFile holds sqrt(A)."""
    rng = np.random.default_rng(2)
    a, b = (np.array(scale) * (m + m.T) for scale, m in zip((5e-4, 1e-3), rng.uniform(0.5, 1, (2, 3, 3))))
    system, topology, positions = systems.atoms("COHN", systems.TWISTED)
    force = openmm.CustomNonbondedForce("(a/r6)^2-b/r6; r6=r^6;a=acoef(type1, type2);b=bcoef(type1, type2);")
    force.addPerParticleParameter("type")
    for name, values in (("acoef", a), ("bcoef", b)):
        force.addTabulatedFunction(name, openmm.Discrete2DFunction(3, 3, values.flatten().tolist()))
    for kind in (0, 2, 1, 2):
        force.addParticle([kind])
    force.addExclusion(0, 1)
    system.addForce(force)
    energy, forces = energies_and_forces(system, positions)
    found = from_openmm(system).evaluate(state_from_openmm(topology, positions, system))
    assert float(found.energy) == pytest.approx(energy, rel=1e-9)
    np.testing.assert_allclose(found.forces.numpy(), forces, rtol=1e-8, atol=1e-10)


def test_it_is_lennard_jones_where_all_pairs_follow_the_rules():
    system, topology, positions = systems.periodic_salt()
    state, rng = state_from_openmm(topology, positions, system), np.random.default_rng(0)
    sigma, epsilon, kinds = np.array([2.5, 4.0]), np.array([0.002, 0.006]), rng.integers(0, 2, 64)
    s6 = (0.5 * (sigma[:, None] + sigma)) ** 6
    strength = 4 * np.sqrt(epsilon[:, None] * epsilon)
    rest = ([[0, 1]], 8.5, 7.0, True)
    one = ForceField({"it": Nbfix(kinds, strength * s6**2, strength * s6, *rest)}, 64)
    other = ForceField({"it": LennardJones(sigma[kinds], epsilon[kinds], *rest)}, 64)
    found, expected = (f.evaluate(state, stress=True) for f in (one, other))
    for name in ("energy", "forces", "stress"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12)


def test_a_batch_with_tables_of_each_system():
    system, topology, positions = systems.salt()
    state = state_from_openmm(topology, positions, system)
    pair = '<NBFixPair type1="na" type2="cl" sigma="0.36" epsilon="0.2"/>'
    first, second = (ForceField({"nbfix": from_openmm(s).terms["nbfix"]}, 64) for s in (system, systems.salt(pair)[0]))
    frames = state.to_atoms() * 3
    together = ForceField.batch([first, second, first]).evaluate(State.from_atoms(frames))
    alone = [float(f.evaluate(state).energy) for f in (first, second, first)]
    assert together.energy.tolist() == pytest.approx(alone, rel=1e-12)
    assert abs(alone[0] - alone[1]) > 0.01
    assert len(first.repeat(5).terms["nbfix"].repulsive) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Nbfix([0, 2], np.eye(2), np.eye(2)), "atom 1 is of kind 2, but the tables have kinds 0 to 1"),
        (lambda: Nbfix([0], np.eye(2), [[1, 0], [1, 1]]), r"attractive of shape .2, 2., expected .2, 2., symmetric"),
        (lambda: Nbfix([0], np.eye(2), np.eye(2), cutoff=5.0, switch=6.0), "switch at 6.0 Å"),
        (lambda: Nbfix([0], np.eye(2), np.eye(2), long_range_correction=True), "needs a cutoff"),
        (lambda: ForceField.batch([ForceField({"n": Nbfix([0], np.eye(1), np.eye(1), cutoff=c)}, 1) for c in (4, 5)]),
         "'cutoff': 4, .* in one system of a batch, .*'cutoff': 5"),
    ],
)  # fmt: skip
def test_nonsense_is_told(make, words):
    with pytest.raises(LabkitError, match=words):
        make()


def test_other_tables_are_named():
    force = openmm.CustomNonbondedForce("acoef(type1, type2)/r^12 - bcoef(type1, type2)/r^6;")
    force.addPerParticleParameter("type")
    for name in ("acoef", "bcoef"):
        force.addTabulatedFunction(name, openmm.Discrete2DFunction(1, 1, [1e-6]))
    force.addInteractionGroup([0], [1])
    system = systems.atoms("CO", [[0, 0, 0], [0.3, 0, 0]])[0]
    force.addParticle([0])
    force.addParticle([0])
    system.addForce(force)
    with pytest.raises(LabkitError, match="force 0: CustomNonbondedForce with the tables acoef, bcoef and 1 groups"):
        from_openmm(system)
