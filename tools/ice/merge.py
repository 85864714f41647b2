"""Merge computed responses into the shipped files, as text: no other label loses a digit."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
from pathlib import Path

import numpy as np
from ase import Atoms

from labkit.datasets.extxyz import Chunk, chunks, parse
from labkit.datasets.ice import FILES, SUMS, verified
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.units import MEV
from tools.ice.check import TOLERANCE
from tools.ice.responses import LABELS, read_order

ENERGY = 1e-4  # eV per frame, by which labels with the same settings may differ
COUNTS = re.compile(r"\d+ frames of training and \d+\s+of validation")


def merge(folder: str | os.PathLike[str], destination: str | os.PathLike[str]) -> dict[str, int]:
    """Add dielectric, polarizability and born_charges to train.xyz.xz and valid.xyz.xz; return how many have them.

    `folder` is one of `add_responses`. Only existing labels are merged, and frames that have them are unchanged,
    so it can be repeated. SHA256SUMS and numbers in README.md are updated. Raises LabkitError, and changes nothing,
    for a label of another structure, or if its energy or forces are not those of the shipped frame.
    """
    destination = Path(destination)
    order = read_order(folder)
    content, counts = {}, {}
    for name in ("train", "valid"):
        labels = {
            k: Path(folder) / LABELS / f"frame-{i:05d}.xyz" for i, (which, k) in enumerate(order) if which == name
        }
        frames = list(chunks(verified(destination / FILES[name])))
        texts = [_merged(chunk, labels[k]) if k in labels else chunk.text for k, chunk in enumerate(frames)]
        content[FILES[name]] = lzma.compress("".join(texts).encode(), preset=9)
        counts[name] = sum("born_charges" in text.split("\n", 2)[1] for text in texts)
    sums = (destination / SUMS).read_text()
    for file, data in content.items():
        sums = re.sub(rf"\w+(?=  {re.escape(file)})", hashlib.sha256(data).hexdigest(), sums)
    readme = destination / "README.md"
    text = COUNTS.sub(f"{counts['train']} frames of training and {counts['valid']} of validation", readme.read_text())
    for file, data in {**content, SUMS: sums, readme.name: text}.items():
        atomic_write(destination / file, data)
    return counts


def _merged(chunk: Chunk, path: Path) -> str:
    """The frame's text with the labels of the file, if it exists and the frame has none."""
    if not path.exists() or "born_charges" in chunk.lines[1]:
        return chunk.text
    shipped, label = parse(chunk), parse(next(chunks(path)))
    _check(chunk, shipped, label, path)
    comment = chunk.lines[1].rstrip("\n").replace(":forces:R:3", ":forces:R:3:born_charges:R:9", 1)
    for key in ("dielectric", "polarizability"):
        comment += f' {key}="_JSON {json.dumps(np.asarray(label.info[key]).tolist())}"'
    rows = ["".join(f"{x:>14}" for x in row) for row in label.arrays["born_charges"].tolist()]
    atoms = [f"{line.rstrip()}{row}" for line, row in zip(chunk.lines[2:], rows)]
    return "\n".join([chunk.lines[0].rstrip("\n"), comment, *atoms, ""])


def _check(chunk: Chunk, shipped: Atoms, label: Atoms, path: Path) -> None:
    same = len(shipped) == len(label) and all(
        np.array_equal(a, b)
        for a, b in [
            (shipped.numbers, label.numbers),
            (shipped.positions, label.positions),
            (shipped.cell.array, label.cell.array),
        ]
    )
    if not same:
        raise chunk.error(f"{path} is a label of another structure")
    if not {"dielectric", "polarizability"} <= label.info.keys() or "born_charges" not in label.arrays:
        raise LabkitError(f"{path}: has no dielectric, polarizability or born_charges; was it computed by --responses?")
    energy = abs(shipped.info["energy"] - label.info["energy"])
    forces = np.abs(shipped.arrays["forces"] - label.arrays["forces"]).max() / MEV
    if energy > ENERGY or forces > TOLERANCE["forces"]:
        raise chunk.error(
            f"{path} differs by {energy:.1e} eV and {forces:.1e} meV/Å from the shipped labels, more than "
            f"{ENERGY:g} eV and {TOLERANCE['forces']:g} meV/Å: other settings?"
        )
