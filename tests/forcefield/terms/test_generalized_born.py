"""Implicit solvent beyond the comparison of systems with OpenMM: salt, cutoffs, batches, what is refused."""

from __future__ import annotations

from dataclasses import replace

import ase
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import Potential, State
from labkit.config import config
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, GeneralizedBorn
from labkit.units import COULOMB, KCAL_PER_MOL

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402
from forcefield.compare import energies_and_forces  # noqa: E402
from openmm import app, unit  # noqa: E402

from labkit.forcefield import from_openmm, import_openmm, state_from_openmm, to_openmm  # noqa: E402

NM = unit.nanometer


def compare(system, topology, positions):
    """Energy and forces of the whole System as the Reference platform's."""
    energy, forces = energies_and_forces(system, positions)
    found = from_openmm(system).evaluate(state_from_openmm(topology, positions, system))
    assert abs(float(found.energy) - energy) <= max(1e-6 * abs(energy), 1e-5 * KCAL_PER_MOL)
    assert np.sqrt(np.mean((found.forces.numpy() - forces) ** 2)) <= 1e-5 * np.sqrt(np.mean(forces**2))


@pytest.mark.parametrize("model", ["obc2", "gbn2"])
def test_salt_cutoff_and_dielectrics(model):
    compare(*systems.implicit_dipeptide(
        model, nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=0.6 * NM,
        implicitSolventKappa=0.7 / NM, soluteDielectric=2.0, solventDielectric=40.0,
    ))  # fmt: skip
    assert float(from_openmm(systems.implicit_dipeptide(model, implicitSolventKappa=0.7 / NM)[0])
                 .terms["implicit_solvent"].kappa) == pytest.approx(0.07)  # fmt: skip


def test_without_a_surface_term():
    system, topology, positions = systems.implicit_dipeptide("gbn2", sasaMethod=None)
    assert from_openmm(system).terms["implicit_solvent"].surface_tension == 0
    compare(system, topology, positions)


def test_the_force_of_openmm_itself():
    """GBSAOBCForce, in a box as well."""
    for periodic in (False, True):
        system, topology, positions = systems.atoms("COHN", systems.TWISTED)
        force = openmm.GBSAOBCForce()
        for q, radius, scale in ((0.5, 0.17, 0.72), (-0.6, 0.15, 0.85), (0.3, 0.12, 0.85), (-0.2, 0.155, 0.79)):
            force.addParticle(q, radius, scale)
        force.setSolventDielectric(60.0)
        if periodic:
            force.setNonbondedMethod(force.CutoffPeriodic)
            force.setCutoffDistance(0.25)
            system.setDefaultPeriodicBoxVectors(*(np.eye(3) * 0.55))
        system.addForce(force)
        compare(system, topology, positions)


def test_a_batch_of_different_systems():
    """Each has tables of necks of its own; replicas share theirs."""
    small, large = systems.implicit_dipeptide("gbn2"), systems.implicit_protein()

    def ions(**settings):
        return ForceField({"implicit_solvent": GeneralizedBorn([1, -1], [1.7, 2], [1, 1], **settings)}, 2)

    parts = [import_openmm(system).forcefield for system, _, _ in (small, large)]
    parts = [ForceField({"implicit_solvent": part.terms["implicit_solvent"]}, part.n_atoms) for part in parts]
    states = [state_from_openmm(topology, positions, system) for system, topology, positions in (small, large)]
    for forcefield, frames in ((ForceField.batch([*parts, parts[0]]), [0, 1, 0]), (parts[0].repeat(4), [0] * 4)):
        together = forcefield.evaluate(State.from_atoms([states[k].to_atoms()[0] for k in frames]))
        alone = [parts[k].evaluate(states[k]) for k in frames]
        torch.testing.assert_close(together.energy, torch.cat([e.energy for e in alone]), rtol=1e-12, atol=0)
        torch.testing.assert_close(together.forces, torch.cat([e.forces for e in alone]), rtol=1e-10, atol=1e-12)
    kinds = [len(f.terms["implicit_solvent"].depth) for f in (*parts, parts[0].repeat(4))]
    assert kinds[0] == kinds[2] < kinds[1]
    with pytest.raises(LabkitError, match="offset is 0.09 in one system of a batch and 0.195141 in another"):
        ForceField.batch([ions(offset=0.09), parts[0]])
    alike = parts[0].terms["implicit_solvent"].settings()
    with pytest.raises(LabkitError, match="some systems of the batch have tables of necks and others have none"):
        ForceField.batch([ions(**alike), parts[0]])


def test_compiled_is_autograd_in_a_protein():
    system, topology, positions = systems.implicit_protein()
    forcefield, state = from_openmm(system), state_from_openmm(topology, positions, system)
    forcefield = ForceField({"it": forcefield.terms["implicit_solvent"]}, forcefield.n_atoms)
    fast, slow = forcefield.evaluate(state), Potential.evaluate(forcefield, state)
    torch.testing.assert_close(fast.energy, slow.energy, rtol=1e-10, atol=0)
    torch.testing.assert_close(fast.forces, slow.forces, rtol=1e-10, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    size=st.floats(2.0, 12.0),
    cutoff=st.one_of(st.none(), st.floats(2.0, 12.0)),
    pbc=st.booleans(),
    necks=st.booleans(),
    kappa=st.sampled_from([0.0, 0.08]),
)
def test_compiled_is_autograd_anywhere(seed, n, size, cutoff, pbc, necks, kappa) -> None:
    """Spheres that hold, cut or miss one another, negative screens (sulphur in GBn2), images, batches of two."""
    random = np.random.default_rng(seed)
    frames = [ase.Atoms(f"H{n}", random.uniform(0, size, (n, 3)), cell=[1.0123 * size] * 3, pbc=pbc) for _ in range(2)]
    state = State.from_atoms(frames)
    table = random.uniform(0.05, 0.3, (4, 4)), random.uniform(1.5, 4.0, (4, 4))
    term = GeneralizedBorn(
        random.normal(size=n), random.uniform(1.0, 2.2, n), random.uniform(-0.8, 1.4, n), (0.2, 0.1, 0.05),
        neck=(random.integers(0, 4, n), *table) if necks else None, neck_scale=0.8, kappa=kappa,
        cutoff=None if cutoff is None and not pbc else cutoff or 6.03,
    )  # fmt: skip
    forcefield = ForceField({"it": term}, n).repeat(2)
    fast, slow = forcefield.evaluate(state), Potential.evaluate(forcefield, state)
    scale = slow.energy.abs().max() + 1
    assert torch.allclose(fast.energy, slow.energy, rtol=0, atol=1e-10 * scale)
    assert torch.allclose(fast.forces, slow.forces, rtol=1e-10, atol=1e-10 * float(slow.forces.abs().max() + 1))


@pytest.mark.parametrize("replicas", [1, 5])
def test_threads_share_atoms_or_systems(replicas, monkeypatch) -> None:
    """The same to the last bits as one thread, and to the bit when repeated."""
    import labkit.forcefield.fast.kernels.born as kernels
    from labkit.forcefield.fast import born

    system, topology, positions = systems.implicit_dipeptide("gbn2")
    forcefield = from_openmm(system).repeat(replicas)
    state = State.from_atoms(state_from_openmm(topology, positions, system).to_atoms() * replicas)
    one = forcefield.evaluate(state)
    monkeypatch.setattr(kernels, "WORK_PER_THREAD", 10)
    monkeypatch.setattr(born, "config", lambda: replace(config(), threads=3))
    three, again = forcefield.evaluate(state), forcefield.evaluate(state)
    for name in ("energy", "forces"):
        torch.testing.assert_close(getattr(one, name), getattr(three, name), rtol=1e-12, atol=1e-12)
        assert torch.equal(getattr(three, name), getattr(again, name))


def test_far_apart_ions_have_borns_energy_and_screened_charges():
    """Closed forms: E = -k_e (1 - 1/ε)/2 Σ q²/ρ + (1 - 1/ε) k_e/r of a pair of charges 1 and -1 far apart."""
    apart, eps, rho = 400.0, 78.5, 1.91
    pair = State.from_atoms(ase.Atoms("He2", positions=[[0, 0, 0], [0, 0, apart]]))
    term = GeneralizedBorn([1, -1], [2.0, 2.0], [0.8, 0.8], surface_tension=0.0)
    expected = COULOMB * (1 - 1 / eps) * (-1 / rho + 1 / apart)
    assert float(term.evaluate(pair).energy[0]) == pytest.approx(expected, rel=1e-5)
    salty = GeneralizedBorn([1, -1], [2.0, 2.0], [0.8, 0.8], surface_tension=0.0, kappa=0.1)
    more = COULOMB * (-(1 - np.exp(-0.1 * rho) / eps) / rho + 1 / apart)
    assert float(salty.evaluate(pair).energy[0]) == pytest.approx(more, rel=1e-5)


def changed(change):
    """A System with the CustomGBForce of GBn2 changed."""
    system = systems.implicit_dipeptide("gbn2")[0]
    (force,) = (f for f in system.getForces() if isinstance(f, openmm.CustomGBForce))
    change(force)
    return system


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.addEnergyTerm("charge^2", f.SingleParticle), r"energy term 3, 'charge\^2'"),
        (lambda f: f.setComputedValueParameters(1, "B", "1/(1/or-2*I)", f.SingleParticle), "radii are not those of"),
        (lambda f: f.setEnergyTermParameters(0, f.getEnergyTermParameters(0)[0].replace("138.9", "128.9"),
                                             f.SingleParticle), "constants are not k_e"),
        (lambda f: f.addGlobalParameter("lambda", 1.0), "computed values I and B"),
        (lambda f: f.setComputedValueParameters(0, "I", f.getComputedValueParameters(0)[1].replace("0.68", "0.6"),
                                                f.ParticlePairNoExclusions), "neckCut is 0.6 nm, expected 0.68"),
    ],
)  # fmt: skip
def test_another_solvent_is_named(change, words):
    with pytest.raises(LabkitError, match=r"force \d: CustomGBForce .implicit solvent. with the energy.*" + words):
        from_openmm(changed(change))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GeneralizedBorn([1.0], [0.05], [0.8]), "radius of atom 0 is 0.05 Å, expected more than the offset"),
        (lambda: GeneralizedBorn([1.0], [2.0, 1.0], [0.8]), "1 charges, 2 radii, 1 screen"),
        (lambda: GeneralizedBorn([1.0], [2.0], [0.8], solvent_dielectric=0), "expected positive dielectrics"),
        (lambda: to_openmm(ForceField({"gb": GeneralizedBorn([1.0], [2.0], [0.8], saturating=False)}, 1), [1.0]),
         "the shape .1, 0, 0. only"),
    ],
)  # fmt: skip
def test_nonsense_is_told(make, words):
    with pytest.raises(LabkitError, match=words):
        make()
