"""Collective variables of beads: compiled against autograd and mdtraj; umbrellas in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import Potential, State
from labkit.errors import LabkitError
from labkit.folding import NativeContacts, Rmsd, Umbrella
from labkit.folding.variables import BeadVariable
from labkit.forcefield import ForceField, HarmonicBonds

mdtraj = pytest.importorskip("mdtraj")


def chain(seed: int, beads: int = 10) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=2.5, size=(beads, 3))


def variables(seed: int, beads: int) -> list[BeadVariable]:
    return [NativeContacts(chain(seed, beads), separation=2, cutoff=12.0), Rmsd(chain(seed, beads))]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), beads=st.integers(4, 20), scale=st.floats(0.2, 3.0))
def test_compiled_is_autograd(seed, beads, scale) -> None:
    at = torch.from_numpy(scale * np.stack([chain(seed + k, beads) for k in range(3)])).requires_grad_()
    for variable in variables(seed, beads):
        found, gradients = np.empty(at.shape), variable(at)
        values = variable.compute(at.detach().numpy(), found)
        (expected,) = torch.autograd.grad(gradients.sum(), at)
        np.testing.assert_allclose(values, gradients.detach().numpy(), rtol=1e-10)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-7, atol=1e-9)


def test_derivatives_of_the_rmsd_are_those_of_finite_differences() -> None:
    rmsd, at = Rmsd(chain(1)), torch.from_numpy(chain(2))[None].requires_grad_()
    assert torch.autograd.gradcheck(rmsd, at, eps=1e-6, atol=1e-7)


def test_rmsd_is_mdtrajs_and_knows_mirror_images() -> None:
    reference, at = chain(1), np.stack([chain(k) for k in range(2, 7)] + [-chain(1), 3.0 + chain(1)])
    ours = Rmsd(reference)(torch.from_numpy(at)).numpy()
    topology = mdtraj.Topology()
    residue = topology.add_residue("GLY", topology.add_chain())
    for _ in reference:
        topology.add_atom("CA", mdtraj.element.carbon, residue)
    theirs = 10 * mdtraj.rmsd(mdtraj.Trajectory(at / 10, topology), mdtraj.Trajectory(reference[None] / 10, topology))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert ours[-1] < 1e-5 < 1.0 < ours[-2]


def test_umbrellas_of_a_batch() -> None:
    """Each replica has its own; forces are compiled as by autograd; with a force field on arrays, too."""
    atoms = torch.tensor([1, 3, 4, 6, 8, 9])
    native = chain(3, 6)
    frames = [Atoms("C12", chain(k, 12)) for k in range(3)]
    state = State.from_atoms(frames)
    bonds = ForceField({"bonds": HarmonicBonds([[0, 1], [1, 2]], k=3.0, r0=1.5)}, 12).repeat(3)
    for variable in (NativeContacts(native, separation=2, cutoff=20.0), Rmsd(native)):
        bias = Umbrella(variable, atoms, [0.1, 0.5, 0.9], [2.0, 3.0, 0.0])
        both = bonds + bias
        expected, forces = Potential.evaluate(both, state), np.empty((36, 3))
        energy = both.compiled(state)(state.positions.numpy(), forces)
        np.testing.assert_allclose(energy, expected.energy.numpy(), rtol=1e-10)
        np.testing.assert_allclose(forces, expected.forces.numpy(), rtol=1e-7, atol=1e-9)
        alone = Umbrella(variable, atoms, [0.5], [3.0]).evaluate(State.from_atoms(frames[1]))
        torch.testing.assert_close(bias.evaluate(state).energy[1], alone.energy[0])
        assert float(bias.evaluate(state).energy[2]) == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NativeContacts(100 * chain(1)), "no two of 10 beads 3 or more apart"),
        (lambda: Rmsd([[0.0, 0, 0], [1, 1, 1], [2, 2, 2]]), "do not span a plane"),
        (lambda: Umbrella(Rmsd(chain(1)), range(9), [0.0], [1.0]), "9 atoms for a variable of 10 beads"),
        (lambda: Umbrella(Rmsd(chain(1)), [range(10)] * 10, [0.0], [1.0]), r"atoms of shape \(10, 10\)"),
        (lambda: Umbrella(Rmsd(chain(1)), range(10), [0.0] * 2, 1.0).evaluate(State.from_atoms(Atoms("C10", chain(1)))),
         "2 windows on atoms up to 9, but the state has 1 systems"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(make, words) -> None:
    with pytest.raises(LabkitError, match=words):
        make()


def test_beads_at_one_place_and_beads_that_are_lost() -> None:
    """No direction is no force; what is not finite stays so, that a run can say in which step that began."""
    native = 4.0 * np.random.default_rng(0).normal(size=(6, 3))
    contacts, apart = NativeContacts(native, separation=1, cutoff=30.0), Rmsd(native)
    beads = np.stack([native, native])
    beads[0, 1], beads[1, 2, 0] = beads[0, 0], np.nan
    gradients = np.empty_like(beads)
    moved = torch.tensor(beads[:1], requires_grad=True)
    contacts(moved).sum().backward()
    contacts.compute(beads, gradients)
    np.testing.assert_allclose(gradients[:1], moved.grad.numpy(), atol=1e-14)
    values = apart.compute(beads, gradients)
    assert np.isfinite(values[0]) and np.isfinite(gradients[0]).all()
    assert np.isnan(values[1]) and np.isnan(gradients[1]).all()
