"""What terms register: a new one with its reader, writer and kernel, written here, and what nobody has registered."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import pytest
import torch
from torch import Tensor

from labkit.base import Potential, State, System
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, HarmonicBonds, Pairs14, Term, terms, to_openmm
from labkit.forcefield.fast.bonded import bonded_kernel
from labkit.forcefield.terms import registry
from labkit.forcefield.terms.openmm_values import formula, rows, table
from labkit.forcefield.terms.registry import Named, reads, unknown, writes
from labkit.forcefield.terms.term import separation
from labkit.units import KJ_PER_MOL, NANOMETRE

QUARTIC = "k*(r-r0)^4"
UNIT = KJ_PER_MOL / NANOMETRE**4


class Quartic(Term):
    """E = k (r - r0)^4."""

    VALUES = ("k", "r0")

    def __init__(self, atoms: Any, k: Any, r0: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, r0=r0, periodic=periodic)
        self._rows(2)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        i, j = self.atoms.unbind(1)
        r = torch.linalg.vector_norm(separation(system, positions, cell, i, j, self.periodic), dim=1)
        return self.k * (r - self.r0) ** 4


@pytest.fixture
def quartic(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Registers all that Quartic can do, for one test; what its kernel was asked for."""
    monkeypatch.setitem(registry.READERS, "CustomBondForce", [*registry.READERS["CustomBondForce"]])
    monkeypatch.setitem(registry.WRITERS, Quartic, None)
    monkeypatch.setitem(registry.KERNELS, Quartic, [])
    asked = []

    @reads("CustomBondForce")
    def read(force: Any, system: Any) -> Named:
        if formula(force) != QUARTIC:
            raise unknown(force)
        atoms, values = table([[i, j, *v] for i, j, v in map(force.getBondParameters, range(force.getNumBonds()))], 2)
        yield "quartic", Quartic(atoms, values[:, 0] * UNIT, values[:, 1] * NANOMETRE)

    @writes(Quartic)
    def write(mm: Any, term: Quartic, periodic: bool) -> Any:
        force = mm.CustomBondForce(QUARTIC)
        for name in ("k", "r0"):
            force.addPerBondParameter(name)
        for atoms, *values in rows(term.atoms, term.k / UNIT, term.r0 / NANOMETRE):
            force.addBond(*atoms, values)
        return force

    @bonded_kernel(Quartic)
    def kernel(atoms: np.ndarray, k: np.ndarray, r0: np.ndarray) -> Any:
        def compute(positions, index, energy, forces, virial):
            asked.append("kernel")
            along = positions[atoms[:, 1]] - positions[atoms[:, 0]]
            r = np.linalg.norm(along, axis=1)
            np.add.at(energy, index[atoms[:, 0]], k * (r - r0) ** 4)
            pull = (4 * k * (r - r0) ** 3 / r)[:, None] * along
            np.add.at(forces, atoms[:, 0], pull)
            np.add.at(forces, atoms[:, 1], -pull)

        return compute

    return asked


def test_a_new_term_is_computed_written_and_read(quartic) -> None:
    pytest.importorskip("openmm")
    from forcefield.compare import energies_and_forces

    places = np.array([[0.0, 0, 0], [1.4, 0.3, 0], [2.0, 1.5, 0.4]])
    state = State.from_atoms(ase.Atoms("C3", places))
    forcefield = ForceField({"quartic": Quartic([[0, 1], [1, 2]], k=[3.0, 4.0], r0=[1.0, 1.1])}, 3)
    fast, slow = forcefield.evaluate(state), Potential.evaluate(forcefield, state)
    assert quartic == ["kernel"]
    torch.testing.assert_close(fast.forces, slow.forces)
    system = to_openmm(forcefield, [12.0] * 3)
    energy, forces = energies_and_forces(system, places / 10)
    assert energy == pytest.approx(float(fast.energy), rel=1e-10)
    np.testing.assert_allclose(forces, fast.forces.numpy(), rtol=1e-9, atol=1e-9)
    ((name, again),) = registry.read(system.getForce(0), system)
    assert name == "quartic" and isinstance(again, Quartic)
    torch.testing.assert_close(again.k, forcefield.terms["quartic"].k)


def test_each_reader_has_its_turn(quartic) -> None:
    """1-4 pairs are a CustomBondForce too; where nobody knows a force the error says what it is."""
    openmm = pytest.importorskip("openmm")
    force = openmm.CustomBondForce("4*epsilon*((sigma/r)^12-(sigma/r)^6)")
    force.addPerBondParameter("sigma")
    force.addPerBondParameter("epsilon")
    force.addBond(0, 1, [0.3, 0.5])
    ((name, term),) = registry.read(force, openmm.System())
    assert name == "pairs14" and isinstance(term, Pairs14)
    force.setEnergyFunction("sigma*epsilon*r")
    with pytest.raises(LabkitError, match=r"CustomBondForce with the expression 'sigma\*epsilon\*r' has no term"):
        registry.read(force, openmm.System())
    with pytest.raises(LabkitError, match="DrudeForce has no term in labkit; write it as a Potential"):
        registry.read(openmm.DrudeForce(), openmm.System())


def test_all_terms_can_be_written() -> None:
    kinds = [kind for kind in map(vars(terms).get, terms.__all__) if issubclass(kind, Term) and kind is not Term]
    assert len(kinds) > 15
    assert [kind.__name__ for kind in kinds if kind not in registry.WRITERS] == []


def test_kernels_of_pairs_come_first() -> None:
    """Sums of energies keep their order, and their bits, whatever the order of the terms."""
    from labkit.forcefield import Coulomb, LennardJones, Nbfix
    from labkit.forcefield.fast.compiled import Compiled

    one = [[1.0]]
    bonds, lj = HarmonicBonds([[0, 1]], 1.0, 1.0), LennardJones([1.0, 1.0], [1.0, 1.0])
    some = [bonds, Nbfix([0, 0], one, one), Coulomb([1.0, 1.0]), lj]
    kernels = Compiled.of(some, np.float64, 0.0).kernels
    assert [[type(term) for term in kernel.terms] for kernel in kernels] == [
        [Coulomb, LennardJones], [Nbfix], [HarmonicBonds],
    ]  # fmt: skip
