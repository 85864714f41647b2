"""What is taken from an OpenMM System, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402
from forcefield.compare import energies_and_forces  # noqa: E402
from openmm import app, unit  # noqa: E402

from labkit.base import State  # noqa: E402
from labkit.engine import CellRescaling, Constraints, maxwell_boltzmann, simulate  # noqa: E402
from labkit.errors import LabkitError  # noqa: E402
from labkit.forcefield import HarmonicImpropers, to_openmm  # noqa: E402
from labkit.forcefield.openmm.reader import from_openmm, import_openmm  # noqa: E402
from labkit.forcefield.openmm.state import state_from_openmm  # noqa: E402
from labkit.units import KJ_PER_MOL  # noqa: E402


def test_masses_constraints_and_box():
    topology, _ = systems.solvent(100)
    system = app.ForceField("amber14/tip3pfb.xml").createSystem(topology, nonbondedMethod=app.CutoffPeriodic,
                                                                 nonbondedCutoff=0.6)  # fmt: skip
    taken = import_openmm(system)
    assert taken.masses[:3].tolist() == pytest.approx([15.99943, 1.007947, 1.007947])
    assert taken.constraint_atoms.shape == (300, 2)
    apart = taken.constraint_distances.sort().values.tolist()
    assert apart[:200] == pytest.approx([1.0118] * 200, rel=1e-4) and apart[200:] == pytest.approx(
        [1.6387] * 100, rel=1e-4
    )
    np.testing.assert_allclose(taken.box.numpy(), systems.box(topology) * 10)
    assert list(taken.forcefield.terms) == ["lennard_jones", "coulomb"]
    with pytest.warns(UserWarning, match=r"300 constraints.*Constraints\(\*import_openmm\(system\).constraints\)"):
        from_openmm(system)


def test_from_a_system_to_dynamics_of_rigid_water():
    """Without its constraints, whose bonds OpenMM leaves out, the water would fall to pieces."""
    topology, positions = systems.solvent(100)
    system = app.ForceField("amber14/tip3pfb.xml").createSystem(topology, nonbondedMethod=app.CutoffPeriodic,
                                                                 nonbondedCutoff=0.6)  # fmt: skip
    taken, state = import_openmm(system), state_from_openmm(topology, positions, system)
    rigid = Constraints(*taken.constraints)
    pair = State.batch([state, state], seed=1)
    warm = CellRescaling(torch.tensor([280.0, 320.0]), 1e-4, constraints=rigid.repeat(2, 300))
    end = simulate(
        maxwell_boltzmann(pair, 300.0, constraints=warm.constraints), taken.forcefield.repeat(2), warm, 20, 2.0
    )
    bonds = end.positions[warm.constraints.atoms[:, 1]] - end.positions[warm.constraints.atoms[:, 0]]
    np.testing.assert_allclose(bonds.norm(dim=1).numpy(), warm.constraints.distances.numpy(), rtol=1e-8)
    again = to_openmm(taken.forcefield, taken.masses, taken.box, taken.constraints)
    assert again.getNumConstraints() == 300 and import_openmm(systems.alanine_dipeptide()[0]).constraints is None


def test_state_in_labkits_units():
    system, topology, positions = systems.water_box(100)
    states = [
        state_from_openmm(topology, where, system)
        for where in (positions, positions * unit.nanometer, [openmm.Vec3(*x) * unit.nanometer for x in positions])
    ]
    for state in states:
        np.testing.assert_allclose(state.positions.numpy(), positions * 10)
    assert states[0].system.numbers[:3].tolist() == [8, 1, 1] and bool(states[0].system.pbc.all())
    system, topology, positions = systems.waters(1)
    state = state_from_openmm(topology, positions, system)
    assert not bool(state.system.pbc.any()) and float(state.cell.abs().max()) == 0
    with pytest.raises(LabkitError, match="3 atoms in the topology, 2 positions and 3 particles"):
        state_from_openmm(topology, positions[:2], system)


def test_urey_bradley_is_told_from_bonds():
    taken = from_openmm(systems.charmm_dipeptide()[0])
    system = systems.charmm_dipeptide()[0]
    every = sum(f.getNumBonds() for f in system.getForces() if isinstance(f, openmm.HarmonicBondForce))
    bonded = set(map(frozenset, taken.terms["bonds"].atoms.tolist()))
    assert len(bonded) == 21 and len(taken.terms["urey_bradley"].atoms) == every - 21
    assert {"cmap", "impropers", "pairs14"} <= set(taken.terms)


def test_what_is_no_energy_is_noted():
    system = systems.waters(1)[0]
    system.addForce(openmm.MonteCarloBarostat(1.0, 300.0))
    system.addForce(openmm.AndersenThermostat(300.0, 1.0))
    notes = " ".join(import_openmm(system).notes)
    assert all(word in notes for word in ("CMMotionRemover", "MonteCarloBarostat", "AndersenThermostat"))


def test_zeros_make_no_terms():
    system, topology, positions = systems.ions()
    force = system.getForce(0)
    for i in range(3):
        q, sigma, _ = force.getParticleParameters(i)
        force.setParticleParameters(i, q, sigma, 0.0)
    assert list(from_openmm(system).terms) == ["coulomb"]
    for i in range(3):
        force.setParticleParameters(i, 0.0, 0.0, 0.3)
    assert list(from_openmm(system).terms) == ["lennard_jones"]
    force.addException(0, 1, 0.0, 0.0, 0.0)
    force.addException(0, 2, 0.1, 0.0, 0.0)  # a charge product alone
    taken = from_openmm(system)
    assert taken.terms["lennard_jones"].exclusions.tolist() == [[0, 1], [0, 2]]
    assert taken.terms["pairs14"].atoms.tolist() == [[0, 2]]
    with pytest.raises(LabkitError, match="2 particles has no interactions"):
        from_openmm(systems.atoms("CO", [[0, 0, 0], [1, 0, 0]])[0])


SPELLINGS = {  # and the k of ½ k d² for k = 120
    "k*(theta-theta0)^2; ": None,  # not folded: with θ0 = 3 it is another function
    "k*dt^2; dt = min(d, 2*pi-d); d = abs(theta-theta0); pi = 3.1415926535": 240.0,
    "0.5*k*(thetap-theta0)^2; thetap = step(-(theta-theta0+pi))*2*pi+theta+step(theta-theta0-pi)*(-2*pi);"
    " pi = 3.14159265358979": 120.0,
    "k*dtheta_torus^2; dtheta_torus = dtheta - floor(dtheta/(2*pi)+0.5)*(2*pi); dtheta = theta - theta0;"
    " pi = 3.141592653589793": 240.0,
    "k*min(dtheta, 2*pi-dtheta)^2; dtheta = abs(theta-theta0);pi = 3.141593;": 240.0,  # of CharmmPsfFile
    "k*abs(theta-theta0)^3": None,
    "k*(1+cos(theta-theta0))": None,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_impropers_in_any_spelling(spelling):
    system = systems.improper(spelling)[0]
    if SPELLINGS[spelling] is None:
        with pytest.raises(LabkitError, match=r"force 0: CustomTorsionForce with the expression 'k.*folded"):
            from_openmm(system)
        return
    term = from_openmm(system).terms["impropers"]
    assert isinstance(term, HarmonicImpropers)
    assert float(term.k[1]) == pytest.approx(SPELLINGS[spelling] * KJ_PER_MOL, rel=1e-9)


@pytest.mark.parametrize("factor", [4.0, 2.0])
def test_scaled_pairs_of_a_custom_force(factor):
    force = openmm.CustomBondForce(f"{factor:g}*epsilon*((sigma/r)^12-(sigma/r)^6)")
    force.addPerBondParameter("sigma")
    force.addPerBondParameter("epsilon")
    force.addBond(0, 2, [0.15, 0.4])
    system, (_, topology, positions) = other(force), systems.waters(1)
    found = from_openmm(system).evaluate(state_from_openmm(topology, positions, system))
    assert float(found.energy) == pytest.approx(energies_and_forces(system, positions)[0], rel=1e-9)


def other(force, *, forces=0):
    system = systems.waters(1)[0]
    while system.getNumForces():
        system.removeForce(0)
    for _ in range(forces):
        system.addForce(openmm.CMMotionRemover())
    system.addForce(force)
    return system


def offset():
    force = openmm.NonbondedForce()
    for _ in range(3):
        force.addParticle(0.1, 0.3, 0.1)
    force.addGlobalParameter("lambda", 1.0)
    force.addParticleParameterOffset("lambda", 0, 0.1, 0.0, 0.0)
    return force


def ljpme():
    force = openmm.NonbondedForce()
    for _ in range(3):
        force.addParticle(0.1, 0.3, 0.1)
    force.setNonbondedMethod(force.LJPME)
    return force


REFUSED = [
    (openmm.CustomExternalForce("5*x^2"), r"force 2: CustomExternalForce with the expression '5\*x\^2'"),
    (openmm.CustomBondForce("3*r"), "CustomBondForce"),
    (openmm.DrudeForce(), "force 2: DrudeForce has no term"),
    (openmm.GBSAOBCForce(), "force 2: GBSAOBCForce has parameters of 0 particles, but the System has 3"),
    (openmm.CustomNonbondedForce("1/r^4"), r"force 2: CustomNonbondedForce with the expression '1/r\^4'"),
    (offset(), "force 2: NonbondedForce has 1 parameter offsets .of lambda."),
    (ljpme(), "LJPME"),
]


@pytest.mark.parametrize("force, message", REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_forces_without_a_term_are_named(force, message):
    if isinstance(force, openmm.CustomBondForce):
        force.addBond(0, 1, [])
    with pytest.raises(LabkitError, match=message):
        from_openmm(other(openmm.XmlSerializer.clone(force), forces=2))


def test_virtual_sites_and_massless_particles_are_named():
    topology, _ = systems.water_positions(2)
    modeller = app.Modeller(topology, systems.water_positions(2)[1] * unit.nanometer)
    forcefield = app.ForceField("amber14/tip4pew.xml")
    modeller.addExtraParticles(forcefield)
    with pytest.raises(LabkitError, match="particle 3 is a virtual site, and 1 others"):
        from_openmm(forcefield.createSystem(modeller.topology))
    system = systems.waters(1)[0]
    system.setParticleMass(1, 0.0)
    with pytest.raises(LabkitError, match="particle 1 has no mass"):
        from_openmm(system)


def test_the_package_needs_no_openmm():
    code = "import sys; sys.modules['openmm'] = None; import labkit.forcefield, labkit.forcefield.openmm.reader"
    subprocess.run([sys.executable, "-c", code], check=True)
