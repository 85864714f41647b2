"""Trajectories in MDTraj's HDF5 layout: everything about a run in one file that many programs can open."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zlib
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from labkit.base import Evaluation, State
from labkit.engine.observers.files import TAIL, Growing
from labkit.engine.observers.pending_writes import PendingWrites
from labkit.engine.observers.trajectory import Trajectory, lengths_and_angles, oriented
from labkit.engine.run import Run
from labkit.errors import LabkitError

_CHUNK = 1 << 16  # bytes of a chunk of coordinates, at least one frame


class Hdf5(Trajectory):
    """Coordinates [nm], time [ps], potential and kinetic energies [kJ/mol], cell lengths [nm] and angles, as float32.

    Layout: MDTraj's HDF5 conventions 1.1 (https://mdtraj.org/1.9.4/hdf5_format.html). All frames since the last
    checkpoint can be lost when a run is killed, but the run resumes from there: the checkpoint stores those bytes of
    the file that are not complete chunks of frames (tables of contents, the last chunk). Later frames change only
    these, so the file can be restored byte by byte.

    Raises LabkitError if h5py is not installed.

    >>> writer = Hdf5("run.h5", every=100)
    """

    def prepare(self, run: Run) -> list[Growing]:
        self._h5py = _h5py(self.path)
        return super().prepare(run)

    def header(self) -> None:
        state = self.run.state
        for store, s in zip(self.files, self._chosen, strict=True):
            atoms = slice(*state.system.offsets[s : s + 2])
            cell = oriented(state, s, str(store.path))[2] is not None
            names = [state.system.vocabulary.names[t] for t in state.system.types[atoms].tolist()]
            topology = _topology(state.system.numbers[atoms].tolist(), names)
            store.append(self._created(cell, topology))

    def _created(self, cell: bool, topology: dict[str, Any]) -> bytes:
        """The content of a file without frames."""
        n, content = len(topology["chains"][0]["residues"][0]["atoms"]), io.BytesIO()
        with self._h5py.File(content, "w") as file:
            for name, value in (
                ("conventions", "Pande"),
                ("conventionVersion", "1.1"),
                ("program", "labkit"),
                ("programVersion", "1"),
                ("application", "labkit"),
            ):
                file.attrs[name] = np.bytes_(value)
            text = json.dumps(topology).encode()
            file.create_dataset("topology", data=np.array([text], dtype=f"S{len(text)}"), track_times=False)
            kinds = {"coordinates": ((n, 3), "nanometers"), "time": ((), "picoseconds")}
            kinds |= {"potentialEnergy": ((), "kilojoules/mole"), "kineticEnergy": ((), "kilojoules/mole")}
            if cell:
                kinds |= {"cell_lengths": ((3,), "nanometers"), "cell_angles": ((3,), "degrees")}
            for name, (shape, unit) in kinds.items():
                frames = max(1, _CHUNK // (4 * int(np.prod(shape, dtype=int))))
                data = file.create_dataset(
                    name,
                    shape=(0, *shape),
                    maxshape=(None, *shape),
                    chunks=(min(frames, 1024), *shape),
                    dtype="<f4",
                    track_times=False,
                )
                data.attrs["units"] = np.bytes_(unit)
        return content.getvalue()

    def frame(self, file: Growing, state: State, evaluation: Evaluation, s: int) -> None:
        from labkit.engine.kinetic import kinetic_energy
        from labkit.units import KJ_PER_MOL

        positions, _, cell = oriented(state, s, str(file.path))
        values = {"coordinates": 0.1 * positions, "time": 1e-3 * self.time(state)}
        values["potentialEnergy"] = float(evaluation.energy[s]) / KJ_PER_MOL
        values["kineticEnergy"] = float(kinetic_energy(state)[s]) / KJ_PER_MOL
        if cell is not None:
            lengths, angles = lengths_and_angles(cell)
            values |= {"cell_lengths": 0.1 * lengths, "cell_angles": angles}

        with file.opened() as source:
            pending = PendingWrites(source)  # a full disk would end the process if HDF5 wrote to it
            with self._h5py.File(pending, "r+") as target:
                for name, value in values.items():
                    data = target[name]
                    data.resize(len(data) + 1, axis=0)
                    data[-1] = value
            changes = pending.appended(), pending.patches()
        file.append(*changes)

    def position(self) -> dict[str, Any]:
        found = super().position()
        images = [self._image(file) for file in self.files]
        chunks = [_chunks(file, image) for file, image in zip(self.files, images, strict=True)]
        packed = [base64.b64encode(zlib.compress(image)).decode() for image in images]
        return found | {"images": packed, "tails": [None] * len(images), "chunks": chunks}

    def rewind(self, position: dict[str, Any], run: Run) -> None:
        # parts of the file, and a table that is never longer than they are
        images = [
            zlib.decompressobj().decompress(base64.b64decode(image), 2 * length + 1024)
            for image, length in zip(position["images"], position["bytes"], strict=True)
        ]
        chunks = position.get("chunks", [None] * len(images))
        for file, length, image, known in zip(self.prepare(run), position["bytes"], images, chunks, strict=False):
            file.check(length, None)
            if known not in (None, _chunks(file, image)):
                raise file.foreign()
        super().rewind(position, run)
        for file, image in zip(self.files, images, strict=True):
            gaps, at = _gaps(image)
            pieces = []
            for start, size in gaps:
                pieces.append((start, image[at : at + size]))
                at += size
            file.append(b"", patches=tuple(pieces))

    def _image(self, file: Growing) -> bytes:
        """All bytes outside complete chunks: their number, (start, size) of each stretch, and the stretches."""
        whole = []
        with self._h5py.File(file.path, "r") as source:
            for data in source.values():
                if data.chunks is None:
                    continue
                full = len(data) // data.chunks[0] * data.chunks[0]

                def note(chunk: Any, full: int = full) -> None:
                    if chunk.chunk_offset[0] < full:
                        whole.append((chunk.byte_offset, chunk.size))

                data.id.chunk_iter(note)
        edges, gaps = 0, []
        for start, size in [*sorted(whole), (file.length, 0)]:
            if start > edges:
                gaps.append((edges, start - edges))
            edges = start + size
        with open(file.path, "rb") as source:
            pieces = []
            for start, size in gaps:
                source.seek(start)
                pieces.append(source.read(size))
        table = np.array([(len(gaps), 0)] + gaps, "<i8").ravel()
        return b"".join([np.delete(table, 1).tobytes(), *pieces])


def _gaps(image: bytes) -> tuple[list[list[int]], int]:
    """(start, size) of each stretch of an image, and where the stretches begin in it."""
    gaps = np.frombuffer(image, "<i8", 2 * int(np.frombuffer(image, "<i8", 1)[0]), 8).reshape(-1, 2)
    return gaps.tolist(), 8 + gaps.nbytes


def _chunks(file: Growing, image: bytes) -> str:
    """sha256 of the complete chunks of frames before the end of an image, which later frames leave as they are."""
    found = hashlib.sha256()
    gaps = _gaps(image)[0]
    with open(file.path, "rb") as source:
        for (start, size), (after, _) in zip(gaps, gaps[1:], strict=False):
            begin = max(start + size, after - TAIL)
            source.seek(begin)
            found.update(source.read(after - begin))
    return found.hexdigest()


def _topology(numbers: list[int], names: list[str]) -> dict[str, Any]:
    """MDTraj's JSON: one chain with one residue that holds all atoms, and no bonds; beads are virtual sites (VS)."""
    atoms = [
        {
            "index": i,
            "name": f"{chemical_symbols[z] if z else name}{i + 1}",
            "element": chemical_symbols[z] if z else "VS",
        }
        for i, (z, name) in enumerate(zip(numbers, names, strict=True))
    ]
    residue = {"index": 0, "name": "SYS", "resSeq": 1, "segmentID": "", "atoms": atoms}
    return {"chains": [{"index": 0, "chain_id": "A", "residues": [residue]}], "bonds": []}


def _h5py(path: str | os.PathLike[str]) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise LabkitError(
            f"{path}: HDF5 needs h5py, which is not installed; run `pip install 'labkit[trajectories]'`, or write "
            ".dcd or .extxyz"
        ) from error
    return h5py
