"""Trajectories in GROMACS's compressed format, by MDTraj: about 4 bytes per atom and frame."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from labkit.base import Evaluation, State
from labkit.engine.observers.files import Growing
from labkit.engine.observers.trajectory import Trajectory, oriented
from labkit.engine.run import Run
from labkit.errors import LabkitError


class Xtc(Trajectory):
    """Positions rounded to 0.01 Å (in the file: nm and ps), cell, step and time.

    An XTC file is a sequence of frames without a header: MDTraj compresses each into a small file, whose bytes are
    appended, so that the file can be cut back and continued.

    Raises LabkitError if mdtraj is not installed.

    >>> writer = Xtc("run.xtc", every=100)
    """

    def prepare(self, run: Run) -> list[Growing]:
        self._open = _xtc_file(self.path)
        return super().prepare(run)

    def frame(self, file: Growing, state: State, evaluation: Evaluation, s: int) -> None:
        positions, _, cell = oriented(state, s, str(file.path))
        box = np.zeros((3, 3)) if cell is None else cell
        try:
            with tempfile.TemporaryDirectory(prefix="labkit-xtc-") as folder:
                single = Path(folder) / "frame.xtc"
                with self._open(str(single), "w") as target:
                    target.write(
                        np.ascontiguousarray(0.1 * positions[None], dtype=np.float32),
                        time=np.array([1e-3 * self.time(state)], dtype=np.float32),
                        step=np.array([state.loop_step], dtype=np.int32),
                        box=np.ascontiguousarray(0.1 * box[None], dtype=np.float32),
                    )
                data = single.read_bytes()
        except (OSError, RuntimeError) as error:  # MDTraj raises both
            raise LabkitError(
                f"{file.path}: a frame could not be compressed in {tempfile.gettempdir()} ({error}); make room there, "
                "or set TMPDIR to another folder"
            ) from error
        file.append(data)


def _xtc_file(path: str | os.PathLike[str]) -> Callable:
    try:
        from mdtraj.formats import XTCTrajectoryFile
    except ImportError as error:
        raise LabkitError(
            f"{path}: XTC needs mdtraj, which is not installed; run `pip install 'labkit[trajectories]'`, or write "
            ".dcd or .extxyz"
        ) from error
    return XTCTrajectoryFile
