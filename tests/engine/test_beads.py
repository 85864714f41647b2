"""Beads in the engine: what writes, compares and resumes runs knows them by their types."""

import ase.io
import pytest
import torch
from ase.build import molecule

from labkit.base import State, Vocabulary
from labkit.datasets import load
from labkit.engine import Langevin, ReplicaExchange, VelocityVerlet, simulate
from labkit.engine.fingerprint import differences, fingerprint
from labkit.engine.observers import ExtXyz, Hdf5
from labkit.errors import LabkitError
from labkit.forcefield import HarmonicBonds, TypedForceField, TypedTerm
from tests.base.beads import chain, together

SPRINGS = TypedForceField({"bonds": TypedTerm(HarmonicBonds, {("*", "*"): {"k": 5.0, "r0": 3.6}})})


def two_chains() -> State:
    return together([chain(["CA", "CB:TYR", "CA"]), chain(["CA:GLY", "CA"], seed=1)])


def test_trajectories_keep_the_names_of_beads(tmp_path) -> None:
    writer = ExtXyz(tmp_path / "run.extxyz", every=5)
    end = simulate(two_chains(), SPRINGS, VelocityVerlet(), 5, 2.0, observers=[writer])
    read = load(tmp_path / "run.extxyz", energy_key="energy", forces_key="forces")
    last = State.from_atoms(read.atoms[-2:])
    names = [last.system.type_name(k) for k in range(5)]
    assert names == ["CA", "CB:TYR", "CA", "CA:GLY", "CA"]
    assert torch.equal(last.system.masses, end.system.masses)
    torch.testing.assert_close(last.positions, end.positions, rtol=1e-15, atol=0)
    assert ase.io.read(tmp_path / "run.extxyz", index=-1).arrays["types"].tolist() == ["CA:GLY", "CA"]
    writer = ExtXyz(tmp_path / "water.extxyz", every=5)
    free = TypedForceField({"bonds": TypedTerm(HarmonicBonds, {("*", "*"): None}, rows=lambda system: [])})
    simulate(State.from_atoms(molecule("H2O")), free, VelocityVerlet(), 5, 0.5, observers=[writer])
    assert "Properties=species:S:1:pos:R:3:velocities:R:3:forces:R:3 " in (tmp_path / "water.extxyz").read_text()


def test_mdtraj_reads_beads(tmp_path) -> None:
    mdtraj = pytest.importorskip("mdtraj")
    writer = Hdf5(tmp_path / "run.h5", every=5, system=0)
    simulate(two_chains(), SPRINGS, VelocityVerlet(), 5, 2.0, observers=[writer])
    trajectory = mdtraj.load(str(tmp_path / "run.h5"))
    assert [atom.name for atom in trajectory.topology.atoms] == ["CA1", "CB:TYR2", "CA3"]
    assert all(atom.element is mdtraj.element.virtual for atom in trajectory.topology.atoms)


def test_other_beads_are_another_run() -> None:
    rule, one = VelocityVerlet(), two_chains()
    system = one.system

    def other(**changes) -> State:
        return one.replace(system=type(system)(
            system.numbers, system.masses, system.index, system.pbc,
            **{"types": system.types, "vocabulary": system.vocabulary, "bonds": system.bonds, **changes},
        ))  # fmt: skip

    def told(state: State) -> str:
        found = differences(fingerprint(state, SPRINGS, rule, 1.0), fingerprint(one, SPRINGS, rule, 1.0))
        return "; ".join(found)

    renamed = Vocabulary(tuple(f"{name}2" for name in system.vocabulary))
    # the same names in another order of the vocabulary are the same beads
    turned = Vocabulary(system.vocabulary.names[::-1])
    assert told(other()) == told(other(vocabulary=turned, types=system.types_in(turned))) == ""
    assert "types" in told(other(types=system.types.flip(0)))
    assert "types" in told(other(vocabulary=renamed))
    assert "bonds" in told(other(bonds=system.bonds[:-1]))
    changed = TypedForceField({"bonds": TypedTerm(HarmonicBonds, {("CA", "*"): {"k": 5.0, "r0": 3.6}})})
    assert differences(fingerprint(one, changed, rule, 1.0), fingerprint(one, SPRINGS, rule, 1.0))


def test_replicas_of_other_beads_are_not_exchanged() -> None:
    ladder = together([chain(["CA", "CB:TYR"]), chain(["CB:TYR", "CA"])])
    ladder = ladder.replace(system=type(ladder.system)(
        ladder.system.numbers, torch.full_like(ladder.system.masses, 12.0), ladder.system.index, ladder.system.pbc,
        ladder.system.types, ladder.system.vocabulary, ladder.system.bonds,
    ))  # fmt: skip
    rule = ReplicaExchange(Langevin(torch.tensor([300.0, 400.0]), 0.01), every=2)
    with pytest.raises(LabkitError, match="differ in atoms, masses or cell"):
        simulate(ladder, SPRINGS, rule, 4, 1.0)
