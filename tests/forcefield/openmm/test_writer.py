"""What labkit writes for OpenMM of its own terms has the same energy there, and comes back; the rest is told."""

from __future__ import annotations

import ase
import numpy as np
import pytest
import torch

from labkit.base import State
from labkit.errors import LabkitError
from labkit.forcefield import (
    Bias,
    Coulomb,
    FlatBottom,
    ForceField,
    GeneralizedBorn,
    GeometricLennardJones,
    HarmonicBonds,
    LennardJones,
    Nbfix,
    Pme,
    Repulsion,
    RepulsionCG,
    Restraints,
)
from tests.forcefield.terms.all_terms import CELL, frame
from tests.forcefield.terms.all_terms import TERMS as ALL_TERMS

pytest.importorskip("openmm")

from forcefield.compare import energies_and_forces

from labkit.forcefield import from_openmm, to_openmm

N, BOX = 10, np.array([[9.0, 0, 0], [1.0, 9.5, 0], [-0.5, 1.2, 9.2]])
rng = np.random.default_rng(3)
PLACES = rng.uniform(0, 8, (N, 3))
SIGMA, EPSILON = rng.uniform(1.5, 2.5, N), rng.uniform(0.01, 0.05, N)
CENTRES = PLACES[:2] + [[1.0, 0.5, 0.2], [0.1, 0.1, 0.1]]
TABLE = np.array([[30.0, 10.0], [10.0, 60.0]])
SOLVENT = dict(charges=rng.normal(size=N), radii=rng.uniform(1.2, 1.8, N), screen=rng.uniform(0.7, 0.9, N))
NECK = ([0, 1] * 5, rng.uniform(0.1, 0.3, (2, 2)), rng.uniform(2, 4, (2, 2)))
TERMS = {
    "repulsion": lambda cutoff: Repulsion(SIGMA, EPSILON, [[0, 1], [2, 3]], cutoff),
    "repulsion_cg": lambda cutoff: RepulsionCG(SIGMA, EPSILON, [[0, 1], [2, 3]], cutoff),
    "restraints": lambda cutoff: Restraints([[1], [4]], k=[2.0, 3.0], centres=CENTRES),
    "flat_bottom": lambda cutoff: FlatBottom([[1], [4]], k=[2.0, 3.0], centres=CENTRES, radius=[0.3, 9.0]),
    "nbfix": lambda cutoff: Nbfix([0, 1] * 5, TABLE, 0.1 * TABLE @ TABLE.T, [[0, 1]], cutoff, cutoff and 3.0),
    "geometric": lambda cutoff: GeometricLennardJones.of(SIGMA, EPSILON, [[0, 1]], cutoff, cutoff and 3.0),
    "implicit_solvent": lambda cutoff: GeneralizedBorn(**SOLVENT, cutoff=cutoff, kappa=0.1),
    "implicit_solvent_necks": lambda cutoff: GeneralizedBorn(
        **SOLVENT, shape=rng.uniform(0.5, 1, (N, 3)), neck=NECK, neck_scale=0.8, cutoff=cutoff),
    "implicit_solvent_hct": lambda cutoff: GeneralizedBorn(
        **SOLVENT, shape=(1, 0, 0), saturating=False, surface_tension=0.0, cutoff=cutoff),
}  # fmt: skip


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("name", TERMS)
def test_openmm_has_the_same_energy_and_gives_it_back(name, boxed):
    cutoff = 4.4 if boxed else None
    forcefield = ForceField({name: TERMS[name](cutoff)}, N)
    state = State.from_atoms(ase.Atoms(f"C{N}", positions=PLACES, cell=BOX, pbc=boxed))
    system = to_openmm(forcefield, [12.0] * N, BOX if boxed else None)
    expected = forcefield.evaluate(state)
    energy, forces = energies_and_forces(system, PLACES / 10)
    assert energy == pytest.approx(float(expected.energy[0]), rel=1e-8)
    np.testing.assert_allclose(forces, expected.forces.numpy(), rtol=1e-6, atol=1e-6 * np.abs(forces).max())
    (again,) = from_openmm(system).terms.values()
    assert type(again) is type(forcefield.terms[name])
    back = ForceField({"it": again}, N).evaluate(state)
    torch.testing.assert_close(back.forces, expected.forces, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ALL_TERMS)
def test_every_term_has_the_same_energy_in_openmm_and_comes_back(name):
    """With a cutoff in a box that is large enough for OpenMM, otherwise open."""
    term = ALL_TERMS[name]
    boxed = term.cutoff > 0
    atoms = frame(1, pbc=boxed)
    atoms.cell = 2 * CELL
    forcefield, state = ForceField({name: term}, len(atoms)), State.from_atoms(atoms)
    system = to_openmm(forcefield, [12.0] * len(atoms), 2 * CELL if boxed else None)
    expected = forcefield.evaluate(state)
    energy, forces = energies_and_forces(system, atoms.positions / 10)
    close = 100.0 if isinstance(term, Pme) else 1.0  # the splines of two meshes
    assert energy == pytest.approx(float(expected.energy[0]), rel=close * 1e-8)
    np.testing.assert_allclose(
        forces, expected.forces.numpy(), rtol=close * 1e-6, atol=close * 1e-6 * np.abs(forces).max()
    )
    back = from_openmm(system).evaluate(
        state
    )  # of other terms perhaps: contacts may be pairs, Urey-Bradley terms bonds
    torch.testing.assert_close(back.forces, expected.forces, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cut", [5.0, 4.6])
def test_a_box_below_twice_the_cutoff_is_told(cut):
    for term in (
        LennardJones(SIGMA, EPSILON, cutoff=cut),
        Coulomb(SIGMA, cutoff=cut),
        Repulsion(SIGMA, EPSILON, (), cut),
    ):
        words = rf"term it: a cutoff of {cut:g} Å, but the box is 9, 9.5, 9.2 Å across.*needs {2 * cut:g} Å each way"
        with pytest.raises(LabkitError, match=words):
            to_openmm(ForceField({"it": term}, N), [12.0] * N, BOX)


def test_a_bias_has_no_openmm_force():
    forcefield = ForceField({"bonds": HarmonicBonds([[0, 1]], 1.0, 1.0)}, 2)
    bias = Bias(lambda r, cell: r.norm(), lambda s: s**2)
    with pytest.raises(
        LabkitError, match="takes a ForceField, not a Sum of ForceField, Bias: .*convert the ForceField"
    ):
        to_openmm(forcefield + bias, [1.0, 1.0])
    with pytest.raises(LabkitError, match="term bias: Bias is not a term; add it instead: forcefield . bias"):
        ForceField({"bias": bias}, 2)


@pytest.mark.parametrize("cutoff", [None, 4.0])
@pytest.mark.parametrize("kind", [LennardJones, Repulsion])
def test_overlapping_atoms_are_named(kind, cutoff):
    """Also across the walls of the cell."""
    forcefield = ForceField({"it": kind([2.0] * 3, [0.01] * 3, cutoff=cutoff)}, 3)
    for places in ([[0, 0, 0], [3, 0, 0], [3, 0, 0]], [[0, 0, 0], [0.5, 3, 0], [9.5, 3, 0]]):
        if cutoff is None and places[2][0] == 9.5:
            continue
        state = State.from_atoms([ase.Atoms("C3", positions=[[0, 0, 0], [2, 0, 0], [5, 0, 0]], cell=[9] * 3, pbc=True),
                                  ase.Atoms("C3", positions=places, cell=[9] * 3, pbc=True)])  # fmt: skip
        with pytest.raises(LabkitError, match="frame 1: atoms 1 and 2 are at the same place; move one"):
            forcefield.repeat(2).evaluate(state)
