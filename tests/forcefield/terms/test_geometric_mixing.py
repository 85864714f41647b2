"""Geometric mixing: σ and ε of a pair by hand, and topologies of GROMACS with the rules 1 (C6, C12) and 3 (OPLS)."""

from __future__ import annotations

import ase
import numpy as np
import pytest

from labkit.base import Potential, State
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, GeometricLennardJones
from labkit.units import KJ_PER_MOL

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402
from forcefield.compare import energies_and_forces  # noqa: E402
from forcefield.files import write_gromacs  # noqa: E402
from openmm import app, unit  # noqa: E402

from labkit.forcefield import from_openmm, load  # noqa: E402


def test_parameters_of_a_pair_are_geometric_means() -> None:
    term = GeometricLennardJones.of([3.0, 4.0], [0.01, 0.02])
    sigma, epsilon, r = np.sqrt(12.0), np.sqrt(2e-4), 3.9
    energy = term.evaluate(State.from_atoms(ase.Atoms("C2", [[0, 0, 0], [r, 0, 0]]))).energy
    assert float(energy) == pytest.approx(4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6), rel=1e-12)


@pytest.mark.parametrize("method", [app.NoCutoff, app.CutoffPeriodic, app.PME])
@pytest.mark.parametrize("rule", [1, 3])
def test_gromacs(tmp_path, rule, method) -> None:
    """OpenMM's reader and its Reference platform beside labkit's, with 1-4 pairs in the form A/r^12 - C/r^6."""
    top, gro = write_gromacs(tmp_path, rule)
    coordinates = app.GromacsGroFile(str(gro))
    options = dict(nonbondedMethod=method, nonbondedCutoff=1.0 * unit.nanometer, ewaldErrorTolerance=systems.TOLERANCE)
    read = app.GromacsTopFile(str(top), periodicBoxVectors=coordinates.getPeriodicBoxVectors())
    system = read.createSystem(**options)
    state, taken = load(top, gro, **options)
    assert isinstance(taken.forcefield.terms["lennard_jones"], GeometricLennardJones)
    energy, forces = energies_and_forces(system, systems.places(coordinates.positions))
    found, slow = taken.forcefield.evaluate(state), Potential.evaluate(taken.forcefield, state)
    assert float(found.energy) == pytest.approx(energy, rel=1e-6, abs=1e-5)
    assert np.sqrt(np.mean((found.forces.numpy() - forces) ** 2)) <= 1e-5 * np.sqrt(np.mean(forces**2))
    np.testing.assert_allclose(found.forces.numpy(), slow.forces.numpy(), rtol=1e-9, atol=1e-9)


def test_single_pairs_of_a_and_c() -> None:
    """σ and ε of Pairs14 from A and C: -ε at the minimum, 2^(1/6) σ."""
    system = openmm.System()
    for _ in range(2):
        system.addParticle(12.0)
    force = openmm.CustomBondForce("-C/r^6+A/r^12")
    for name in ("C", "A"):
        force.addPerBondParameter(name)
    force.addBond(0, 1, [4 * 0.5 * 0.3**6, 4 * 0.5 * 0.3**12])
    system.addForce(force)
    (term,) = from_openmm(system).terms.values()
    assert float(term.sigma) == pytest.approx(3.0) and float(term.epsilon) == pytest.approx(0.5 * KJ_PER_MOL)
    force.setBondParameters(0, 0, 1, [0.0, 1e-6])  # no σ and ε follow
    (term,) = from_openmm(system).terms.values()
    found = term.evaluate(State.from_atoms(ase.Atoms("C2", [[0, 0, 0], [2.5, 0, 0]]))).energy
    assert float(found) == pytest.approx(1e-6 / 0.25**12 * KJ_PER_MOL)


def test_many_kinds_go_by_torch() -> None:
    """A table of pairs of kinds would grow with their square."""
    n = 300
    term = GeometricLennardJones.of(np.linspace(2.0, 3.0, n), np.full(n, 0.01), cutoff=4.0)
    grid = 3.5 * np.stack(np.meshgrid(*[np.arange(7)] * 3), -1).reshape(-1, 3)[:n]
    forcefield, state = ForceField({"it": term}, n), State.from_atoms(ase.Atoms(f"C{n}", grid))
    assert forcefield.compiled(state).rest.others == [term]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GeometricLennardJones([1.0], [1.0, 2.0]), "1 repulsive and 2 attractive; one per atom"),
        (lambda: GeometricLennardJones([1.0], [1.0], cutoff=5.0, switch=6.0), "switch at 6.0 Å, .*cutoff of 5.0 Å"),
        (lambda: GeometricLennardJones([1.0], [1.0], long_range_correction=True), "correction needs a cutoff"),
    ],
)
def test_nonsense_is_told(make, words) -> None:
    with pytest.raises(LabkitError, match="GeometricLennardJones: .*" + words):
        make()
