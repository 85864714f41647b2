"""Pack computed frames of ice for shipping: split by trajectory, nested, their text untouched.

python -m tools.ice.pack SOURCE DESTINATION [LABELLED_MINIMUM]
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from labkit.datasets.extxyz import Chunk, chunks
from labkit.datasets.ice import FILES, SUMS
from labkit.datasets.streams import existing
from labkit.errors import LabkitError
from labkit.files import atomic_write

SOURCES = {
    "dynamics": "md_300K.xyz.xz",
    "normal_modes": "normal_modes_300K.xyz.xz",
    "disordered": "disordered_gfn1_300K.xyz.xz",
    "minimum": "minimum_pbe.xyz",
    "stretch": "stretch_pbe.xyz.xz",
}
TRAIN = range(16)  # trajectories; the others are for validation
GOLDEN = (5**0.5 - 1) / 2


def pack(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    minimum: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Write data/ice from a folder with the files of SOURCES; equal sources make equal files.

    Labels are copied as text. Training frames are ordered by `nested_order`; frames of one trajectory are correlated,
    so that validation frames come from other trajectories, not at random. `minimum` names a labelled file that replaces
    the source's.
    """
    source, destination = Path(source), Path(destination)
    paths = {kind: source / name for kind, name in SOURCES.items()}
    if minimum is not None:
        paths["minimum"] = Path(minimum)
    frames = {kind: list(chunks(existing(path))) for kind, path in paths.items()}
    dynamics = {trajectory_and_sample(chunk): chunk for chunk in frames["dynamics"]}
    train = {key: chunk for key, chunk in dynamics.items() if key[0] in TRAIN}
    content = {
        "train": [train[key] for key in nested_order(list(train))],
        "valid": [dynamics[key] for key in sorted(dynamics) if key not in train],
        **{kind: frames[kind] for kind in SOURCES if kind != "dynamics"},
    }
    destination.mkdir(parents=True, exist_ok=True)
    written = []
    for name, selected in content.items():
        path = destination / FILES[name]
        data = "".join(chunk.text for chunk in selected).encode()
        atomic_write(path, lzma.compress(data, preset=9) if path.suffix == ".xz" else data)
        written.append(path)
    sums = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in written)
    atomic_write(destination / SUMS, sums)
    return written


def nested_order(keys: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Order (trajectory, sample) so that every prefix is spread over all trajectories and over time.

    Each round takes one sample of each trajectory; those of successive rounds are far apart in time, because
    fractions of multiples of the golden ratio, sorted, have neighbours whose multiples differ by large steps.

    >>> [sample for _, sample in nested_order([(0, s) for s in range(8)])]
    [0, 5, 2, 7, 4, 1, 6, 3]
    """
    samples: dict[int, list[int]] = {}
    for trajectory, sample in sorted(keys):
        samples.setdefault(trajectory, []).append(sample)
    ordered = []
    for position, (trajectory, times) in enumerate(samples.items()):
        spread = sorted(range(len(times)), key=lambda i: (i + position) * GOLDEN % 1)
        ordered += [(turn, trajectory, times[i]) for turn, i in enumerate(spread)]
    return [(trajectory, sample) for _, trajectory, sample in sorted(ordered)]


def trajectory_and_sample(chunk: Chunk) -> tuple[int, int]:
    """Read trajectory=... and sample=... of a frame's comment line."""
    found = [re.search(rf"(?:^|\s){key}=(\d+)(?:\s|$)", chunk.lines[1]) for key in ("trajectory", "sample")]
    if None in found:
        raise LabkitError(f"{chunk.source}: frame {chunk.number} (line {chunk.line + 1}): no trajectory= and sample=")
    return tuple(int(match.group(1)) for match in found)  # type: ignore[union-attr,return-value]


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    pack(*sys.argv[1:])
