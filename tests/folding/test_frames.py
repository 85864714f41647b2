"""Chignolin as it is built, its windows, and the records that are written of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labkit.base import State
from labkit.engine import Langevin, ReplicaExchange, largest_force, maxwell_boltzmann, simulate
from labkit.errors import LabkitError
from labkit.folding import NativeContacts, Rmsd, Umbrella, beads_at, optimal_force_map
from labkit.folding.chignolin import Protein, chignolin
from labkit.folding.frames import SCALE, Frames, read_frames

pytest.importorskip("openmm")


@pytest.fixture(scope="module")
def protein() -> Protein:
    return chignolin("ff14SB")


def test_chignolin(protein) -> None:
    assert len(protein.native.positions) == 166 and len(protein.constraints) == 73
    assert protein.residues == ("TYR", "TYR", "ASP", "PRO", "GLU", "THR", "GLY", "THR", "TRP", "TYR")
    assert float(protein.forcefield.terms["coulomb"].charges.sum()) == pytest.approx(-2.0)  # Asp, Glu; both ends
    contacts, rmsd = NativeContacts(protein.reference), Rmsd(protein.reference)
    native, extended = (state.positions[protein.ca][None] for state in (protein.native, protein.extended))
    assert float(contacts(native)) > 0.9 and float(rmsd(native)) < 1.0
    assert float(contacts(extended)) < 0.1 and float((extended[0, 9] - extended[0, 0]).norm()) > 28
    for state in (protein.native, protein.extended):
        assert float(largest_force(state, protein.constraints)) <= 0.05
    with pytest.raises(LabkitError, match="expected one of ff14SB, ff99SB-ILDN"):
        chignolin("ff15")


def windows(protein: Protein, folder, steps: int, **more) -> tuple[State, tuple, Umbrella]:
    forcefield, constraints = protein.replicas(2)
    maps = tuple(
        optimal_force_map(torch.randn(20, 166, 3).double(), beads_at(a, 166), protein.constraints)
        for a in (protein.ca, protein.beads)
    )
    umbrella = Umbrella(NativeContacts(protein.reference), protein.ca, [0.8, 0.9], 16.0)
    dynamics = ReplicaExchange(Langevin(350.0, 1e-3, constraints=constraints), every=5, hamiltonians=True)
    state = State.from_atoms(protein.native.to_atoms() * 2, seed=3)
    state = maxwell_boltzmann(state, 350.0, constraints=constraints)
    frames = Frames(folder / "frames.bin", 10, protein.beads, maps, umbrella)
    return simulate(state, forcefield + umbrella, dynamics, steps, 4.0, observers=[frames], **more), maps, umbrella


def test_records_are_beads_and_unbiased_mapped_forces(protein, tmp_path) -> None:
    torch.manual_seed(0)
    last, maps, umbrella = windows(protein, tmp_path, 20)
    frames = read_frames(tmp_path / "frames.bin")
    assert frames["step"].tolist() == [0, 0, 10, 10, 20, 20] and frames["place"].tolist() == [0, 1] * 3
    forces = protein.replicas(2)[0].evaluate(last).forces.view(2, 166, 3)
    positions = last.positions.view(2, 166, 3)
    for row, at, force in zip(frames[-2:], positions, forces, strict=True):
        beads = at[protein.beads] - at[protein.ca].mean(0)
        np.testing.assert_allclose(SCALE * row["beads"], beads.numpy(), atol=0.51 * SCALE)
        for name, mapping in zip(("ca_forces", "cacb_forces"), maps, strict=True):
            np.testing.assert_allclose(SCALE * row[name], (mapping @ force).numpy(), atol=0.51 * SCALE)
    assert float(umbrella.evaluate(last).forces.abs().max()) > 5 * SCALE  # what would be wrong
    assert sorted(frames["walker"][-2:].tolist()) == [0, 1]


def test_a_resumed_run_writes_the_same_file(protein, tmp_path) -> None:
    torch.manual_seed(0)
    (tmp_path / "whole").mkdir()
    windows(protein, tmp_path / "whole", 40, checkpoint=tmp_path / "whole" / "c", checkpoint_every=20)
    (tmp_path / "parts").mkdir()
    for steps in (20, 40):
        torch.manual_seed(0)
        windows(protein, tmp_path / "parts", steps, checkpoint=tmp_path / "parts" / "c", checkpoint_every=20)
    whole, parts = ((tmp_path / name / "frames.bin").read_bytes() for name in ("whole", "parts"))
    assert whole == parts and len(whole) == 10 * len(read_frames(tmp_path / "whole" / "frames.bin")[:1].tobytes())


def test_what_does_not_fit_and_what_is_cut_is_refused(protein, tmp_path) -> None:
    frames = Frames(tmp_path / "f.bin", 1, protein.beads, (torch.ones(10, 166).double(), torch.ones(19, 166).double()))
    evaluation = protein.forcefield.evaluate(protein.native)
    evaluation.forces[:] = 10.0
    with pytest.raises(LabkitError, match=r"ca_forces: 1660 does not fit a record"):
        frames(protein.native, evaluation)
    assert not (tmp_path / "f.bin").exists()
    (tmp_path / "g.bin").write_bytes(b"12345")
    with pytest.raises(LabkitError, match="5 bytes are not a multiple of a record of 300 bytes"):
        read_frames(tmp_path / "g.bin")
