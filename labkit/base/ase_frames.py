"""Conversion between states and ASE frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ase
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from torch import Tensor

from labkit.base.ase_columns import read_bonds, read_types, write_columns
from labkit.base.system import System, check_atoms
from labkit.config import config
from labkit.errors import LabkitError
from labkit.units import ASE_TIME

if TYPE_CHECKING:
    from labkit.base.state import State


def fields_of_frames(
    frames: Sequence[ase.Atoms], dtype: torch.dtype | None, device: torch.device | str | None
) -> dict[str, Any]:
    """System, positions, cell and velocities of a State of these frames."""
    if not frames:
        raise LabkitError("no frames were given; expected one ase.Atoms or a sequence of at least one")
    for number, frame in enumerate(frames):
        check_atoms(frame, f"frame {number}")
    dtype, device = dtype or config().dtype, device or config().device
    counts = torch.tensor([len(frame) for frame in frames])

    def tensor(arrays: list[np.ndarray]) -> Tensor:
        return torch.as_tensor(np.concatenate(arrays), dtype=dtype, device=device)

    (types, vocabulary), bonds = read_types(frames), read_bonds(frames)
    system = System(
        numbers=torch.as_tensor(np.concatenate([f.numbers for f in frames]), dtype=torch.int64, device=device),
        masses=tensor([f.get_masses() for f in frames]),
        index=torch.repeat_interleave(torch.arange(len(frames)), counts).to(device),
        pbc=torch.as_tensor(np.stack([f.pbc for f in frames]), device=device),
        types=None if types is None else types.to(device),
        vocabulary=vocabulary,
        bonds=None if bonds is None else bonds.to(device),
    )
    velocities = tensor([f.get_velocities() / ASE_TIME for f in frames])
    if system.any_held:  # ASE may have a momentum inf * 0 there
        velocities = torch.where(system.held[:, None], 0.0, velocities)
    return {
        "system": system,
        "positions": tensor([f.positions for f in frames]),
        "cell": tensor([f.cell.array[None] for f in frames]),
        "velocities": velocities,
    }


def frames_of_state(state: State) -> list[ase.Atoms]:
    """Each system as ASE Atoms, with its known results."""
    numbers, index = state.system.numbers.cpu().numpy(), state.system.index.cpu().numpy()
    names = np.array(state.system.vocabulary.names, dtype=object)[state.system.types.cpu().numpy()]
    bonds = None if state.system.bonds is None else state.system.bonds.cpu().numpy()
    frames = []
    for s in range(state.system.n_systems):
        mine = index == s
        frame = ase.Atoms(
            numbers[mine],
            positions=state.positions.detach().cpu().numpy()[mine],
            cell=state.cell[s].detach().cpu().numpy(),
            pbc=state.system.pbc[s].cpu().numpy(),
            masses=state.system.masses.cpu().numpy()[mine],
        )
        own = None if bonds is None else bonds[index[bonds[:, 0]] == s] - state.system.offsets[s]
        write_columns(frame, names[mine].tolist(), own)
        velocities = state.velocities.detach().cpu().numpy()[mine] * ASE_TIME
        if state.system.any_held:  # ASE stores momenta, and inf * 0 is not a number
            frame.set_momenta(state.system.free_masses.detach().cpu().numpy()[mine][:, None] * velocities)
        else:
            frame.set_velocities(velocities)
        results = {}
        if state.energy is not None:
            results["energy"] = float(state.energy[s])
        if state.forces is not None:
            results["forces"] = state.forces.detach().cpu().numpy()[mine]
        if results:
            frame.calc = SinglePointCalculator(frame, **results)
        frames.append(frame)
    return frames
