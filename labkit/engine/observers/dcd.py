"""Trajectories in CHARMM's and NAMD's binary format, which VMD, MDTraj and MDAnalysis read."""

from __future__ import annotations

import struct

import numpy as np

from labkit.base import Evaluation, State
from labkit.engine.observers.files import Growing
from labkit.engine.observers.trajectory import Trajectory, lengths_and_angles, oriented
from labkit.units import FS, KCAL_PER_MOL, KINETIC

#: fs of CHARMM's unit of time, Å sqrt(u mol/kcal)
AKMA = FS * (KINETIC / KCAL_PER_MOL) ** 0.5


class Dcd(Trajectory):
    """Positions in Å as float32 and the cell's lengths and angles; 12 bytes per atom and frame.

    Layout: https://www.ks.uiuc.edu/Research/vmd/plugins/molfile/dcdplugin.html. The header holds the number of
    frames, which is updated after each frame.

    >>> writer = Dcd("run-{system}.dcd", every=100)
    """

    def file(self, path: str) -> Growing:
        return Growing(path, mutable=92)  # the record with the number of frames

    def header(self) -> None:
        state = self.run.state
        for file, s in zip(self.files, self._chosen, strict=True):
            cell = oriented(state, s, str(file.path))[2] is not None
            atoms = state.system.offsets[s + 1] - state.system.offsets[s]
            first = -(-state.loop_step // self.every) * self.every  # the first step this observer is called at
            if state.loop_step and first == state.loop_step:
                first += self.every
            control = struct.pack("<4s9if", b"CORD", 0, first, self.every, 0, 0, 0, 0, 0, 0, self.run.dt / AKMA)
            control += struct.pack("<10i", int(cell), 0, 0, 0, 0, 0, 0, 0, 0, 24)
            titles = struct.pack("<i80s80s", 2, b"Created by labkit".ljust(80), b"Positions in A".ljust(80))
            file.append(_record(control) + _record(titles) + _record(struct.pack("<i", atoms)))

    def frame(self, file: Growing, state: State, evaluation: Evaluation, s: int) -> None:
        positions, _, cell = oriented(state, s, str(file.path))
        data = b""
        if cell is not None:
            (a, b, c), (alpha, beta, gamma) = lengths_and_angles(cell)
            data += _record(struct.pack("<6d", a, gamma, b, beta, alpha, c))
        axes = np.ascontiguousarray(positions.T, dtype="<f4")
        data += b"".join(_record(axis.tobytes()) for axis in axes)
        frames = (file.length - _HEADER) // len(data) + 1
        file.append(data, patches=self._counts(frames))

    def update_header(self) -> None:
        for file, s in zip(self.files, self._chosen, strict=True):
            system = self.run.state.system
            cell = oriented(self.run.state, s, str(file.path))[2] is not None
            size = 3 * (8 + 4 * (system.offsets[s + 1] - system.offsets[s])) + (56 if cell else 0)
            file.append(b"", patches=self._counts((file.length - _HEADER) // size))

    def _counts(self, frames: int) -> tuple[tuple[int, bytes], ...]:
        """The number of frames, and the steps they span, at their places in the header."""
        return ((8, struct.pack("<i", frames)), (20, struct.pack("<i", frames * self.every)))


_HEADER = 92 + 172 + 12  # bytes before the first frame


def _record(data: bytes) -> bytes:
    """A Fortran record: its length before and after it."""
    size = struct.pack("<i", len(data))
    return size + data + size
