"""Frames of the files that a run starts from: several models of a PDB file, trajectories, arrays of numpy."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base.box import box_given, box_or_none
from labkit.errors import LabkitError
from labkit.forcefield.structure.kinds import kind
from labkit.forcefield.structure.labels import AtomLabels
from labkit.md.atoms import Topology, read_coordinates

ANGSTROM = 10.0  # of the nm in files of GROMACS
LARGEST = 2**30  # bytes of an npz file when unpacked
TRAJECTORIES = (".xtc", ".trr", ".dcd", ".nc", ".ncdf", ".netcdf", ".mdcrd")


@dataclass(frozen=True)
class StartFrames:
    """Positions (f, n, 3) Å of f frames and their boxes (f, 3, 3) Å, or None; what the files call the atoms."""

    positions: np.ndarray
    boxes: np.ndarray | None = None
    labels: tuple[AtomLabels, ...] = ()

    def for_replicas(self, replicas: int) -> tuple[StartFrames, str]:
        """A frame for each replica, as in TorchMD: its own where their numbers agree, else the first for all.

        With it a sentence for the user where frames are left out.
        """
        count = len(self.positions)
        if count == replicas:
            return self, ""
        note = ""
        if count > 1:
            note = "coordinates hold several frames: the run starts from the first"
        if count > 1 and replicas > 1:
            note = f"coordinates hold another number of frames than the {replicas} replicas: all start from the first"
        boxes = None if self.boxes is None else self.boxes[:1].repeat(replicas, 0)
        return StartFrames(self.positions[:1].repeat(replicas, 0), boxes), note


def read_frames(paths: Sequence[Path], n_atoms: int, most: int, *, boxes: bool = True) -> StartFrames:
    """The frames of all files in their order, at most `most` of each trajectory; with their boxes, or without.

    Raises LabkitError, naming file and frame, for another number of atoms, and for frames with and without a box.
    """
    found = [_one(path, n_atoms, most) for path in paths]
    for path, frames in zip(paths, found):
        if frames.positions.shape[1:] != (n_atoms, 3):
            raise LabkitError(
                f"topology has {n_atoms} atoms, coordinates {frames.positions.shape[1]} ({path}); give files of one "
                "system"
            )
        wrong = np.argwhere(~np.isfinite(frames.positions))
        if len(wrong):
            raise LabkitError(f"coordinates: {path}: frame {wrong[0, 0]}: atom {wrong[0, 1]} has no finite position")
    positions = np.concatenate([frames.positions for frames in found])
    known = [frames.boxes for frames in found if boxes and frames.boxes is not None]
    labels = tuple(label for frames in found for label in frames.labels)
    if not known:
        return StartFrames(positions, labels=labels)
    if len(known) < len(found):
        raise LabkitError("coordinates: some of the files have a box, others none; give each a box, or extended_system")
    return StartFrames(positions, np.concatenate(known), labels)


def _one(path: Path, n_atoms: int, most: int) -> StartFrames:
    suffix = kind(path)
    if suffix in TRAJECTORIES:
        return _trajectory(path, suffix, n_atoms, most)
    found = read_coordinates(path)
    boxes = None if found.box is None else found.box[None]
    labels = () if found.labels is None else (found.labels,)
    if suffix == ".pdb" and most > 1:
        return replace(_models(path, found.positions, boxes, most), labels=labels)
    return StartFrames(found.positions[None], boxes, labels)


def _models(path: Path, first: np.ndarray, boxes: np.ndarray | None, most: int) -> StartFrames:
    from openmm import app

    pdb = app.PDBFile(str(path))
    count = min(pdb.getNumFrames(), most)
    rest = [np.array(pdb.getPositions(asNumpy=True, frame=k)._value) * ANGSTROM for k in range(1, count)]
    if any(frame.shape != first.shape for frame in rest):
        raise LabkitError(f"coordinates: {path}: its models have different numbers of atoms; keep one")
    return StartFrames(np.stack([first, *rest]), None if boxes is None else boxes.repeat(count, 0))


def _trajectory(path: Path, suffix: str, n_atoms: int, most: int) -> StartFrames:
    if not path.is_file():
        raise LabkitError(f"coordinates: {path}: there is no such file")
    try:
        from mdtraj import formats
    except ImportError as error:
        raise LabkitError(
            f'coordinates: {path}: needs mdtraj, which is not installed; run: pip install "labkit[trajectories]"'
        ) from error
    try:
        positions, boxes = _read(formats, path, suffix, n_atoms, most)
    except Exception as error:  # mdtraj's readers, each with its own errors
        raise LabkitError(f"coordinates: {path}: cannot be read as {suffix} ({error})") from error
    if not len(positions):
        raise LabkitError(f"coordinates: {path}: holds no frame")
    if boxes is None:
        return StartFrames(positions)
    kept = [box_or_none(box, f"coordinates: {path}: frame {k}") for k, box in enumerate(boxes)]
    lacking = [k for k, box in enumerate(kept) if box is None]
    if len(lacking) == len(kept):  # what has no box is written with one of zeros
        return StartFrames(positions)
    if lacking:
        raise LabkitError(f"coordinates: {path}: frame {lacking[0]} has no box, others have one")
    return StartFrames(positions, np.stack(kept))


def _read(formats: Any, path: Path, suffix: str, n_atoms: int, most: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions (f, n, 3) Å and boxes (f, 3, 3) Å or None."""
    if suffix in (".xtc", ".trr"):
        reader = formats.XTCTrajectoryFile if suffix == ".xtc" else formats.TRRTrajectoryFile
        with reader(str(path)) as file:
            xyz, _, _, boxes = file.read(n_frames=most)[:4]
        return ANGSTROM * np.asarray(xyz, float), None if boxes is None else ANGSTROM * np.asarray(boxes, float)
    if suffix == ".mdcrd":
        with formats.MDCRDTrajectoryFile(str(path), n_atoms) as file:
            xyz, lengths = file.read(n_frames=most)
        angles = None if lengths is None else np.full_like(lengths, 90.0)
    elif suffix == ".dcd":
        with formats.DCDTrajectoryFile(str(path)) as file:
            xyz, lengths, angles = file.read(n_frames=most)
    else:
        with formats.NetCDFTrajectoryFile(str(path)) as file:
            xyz, _, lengths, angles = file.read(n_frames=most)
    return np.asarray(xyz, float), _boxes(lengths, angles)


def _boxes(lengths: Any, angles: Any) -> np.ndarray | None:
    from ase.cell import Cell

    if lengths is None or not np.asarray(lengths).any():
        return None
    rows = np.concatenate([np.asarray(lengths, float), np.asarray(angles, float)], axis=1)
    return np.stack([Cell.fromcellpar(row).array if row[:3].all() else np.zeros((3, 3)) for row in rows])


def read_npz(path: Path) -> tuple[Topology, StartFrames, tuple[int, ...]]:
    """Atoms, positions and embeddings of TorchMD's npz: coord (n, 3) Å and z (n,), perhaps charges, bonds and box."""
    from ase.data import atomic_masses, chemical_symbols

    try:
        with zipfile.ZipFile(path) as file:
            size = sum(entry.file_size for entry in file.infolist())
        if size > LARGEST:
            raise LabkitError(
                f"npz_file: {path}: {size / 2**20:.0f} MB when unpacked; expected the atoms of one system"
            )
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in ("coord", "z", "charges", "bonds", "box") if name in file.files}
    except LabkitError:
        raise
    except Exception as error:  # of zip, zlib and numpy, each with its own errors
        raise LabkitError(f"npz_file: {path}: cannot be read as arrays of numpy ({error})") from error
    missing = [name for name in ("coord", "z") if name not in data]
    if missing:
        raise LabkitError(f"npz_file: {path}: has no {missing[0]!r}; expected coord (n, 3) Å and z (n,)")
    z, where = data["z"].reshape(-1), np.asarray(data["coord"], float)
    if where.shape != (len(z), 3) or not ((z == z.astype(int)) & (z > 0) & (z < len(atomic_masses))).all():
        raise LabkitError(f"npz_file: {path}: coord {where.shape} and z {data['z'].shape}, expected (n, 3) and (n,)")
    numbers = z.astype(int).tolist()
    bonds = [tuple(row) for row in np.asarray(data.get("bonds", ()), int).reshape(-1, 2).tolist()]
    charges = np.asarray(data.get("charges", np.zeros(len(z))), float).reshape(-1).tolist()
    topology = Topology(
        [chemical_symbols[number] for number in numbers], numbers, atomic_masses[numbers].tolist(), bonds, charges
    )
    box = box_given(np.squeeze(data.get("box", np.zeros(3))), f"npz_file: {path}: box")
    return topology, StartFrames(where[None], None if box is None else box[None]), tuple(numbers)
