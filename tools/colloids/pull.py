"""Run a piece block by block; a run that was killed loses one block, and resumes when it is called again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labkit.base import NO_PROGRESS, Progress
from labkit.errors import LabkitError, Stopped
from labkit.files import lock
from tools.colloids.box import begin, mean, resume, vector
from tools.colloids.settings import Piece, Solvent

BLOCKS = "blocks.jsonl"


@dataclass(frozen=True)
class Block:
    """Means over one block.

    velocity     of the colloids: their displacement over the time (zero if there are none)
    amplitude    of the cosine in the solvent's velocity (zero if there are colloids)
    temperature  of all atoms
    drift        the largest component of the mean velocity of all mass at the end, which should be only rounding
    """

    block: int
    velocity: tuple[float, float, float]
    amplitude: float
    temperature: float
    drift: float


def pull(
    settings: Solvent, piece: Piece, folder: str | os.PathLike[str], blocks: int, *, progress: Progress = NO_PROGRESS
) -> list[Block]:
    """All blocks of a piece, `blocks` at least; those in `folder` are read, not computed again.

    blocks.jsonl gets a line as each block ends, after the restart file of its end; so the two are always consistent.
    Raises Stopped(partial=blocks so far) between two blocks when `progress` asks for it, and LabkitError if another
    process uses the folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / BLOCKS, wait=False):
        return _pull(settings, piece, folder, blocks, progress)


def _pull(settings: Solvent, piece: Piece, folder: Path, blocks: int, progress: Progress) -> list[Block]:
    done = read(folder / BLOCKS)
    if len(done) >= blocks:
        return done
    restart = folder / f"state-{len(done)}.restart"
    if done and not restart.exists():
        raise LabkitError(f"{restart}: missing: {piece.name} cannot resume after block {len(done)}; remove {folder}")
    with lammps_errors(piece), opened(settings, piece, restart, len(done)) as lmp:
        if not restart.exists():
            keep(lmp, restart)
        while len(done) < blocks:
            progress.update(len(done), blocks, piece=piece.name)
            if progress.should_stop():
                raise Stopped(f"{piece.name}: stopped after {len(done)} of {blocks} blocks", partial=done)
            before = vector(lmp, "at")
            lmp.command(f"run {settings.steps}")
            velocity = (vector(lmp, "at") - before) / settings.block if piece.colloids else (0.0, 0.0, 0.0)
            temperature, amplitude = mean(lmp, piece)
            drift = float(abs(vector(lmp, "drift")).max())
            block = Block(len(done), tuple(map(float, velocity)), amplitude, temperature, drift)
            keep(lmp, folder / f"state-{len(done) + 1}.restart")
            append(folder / BLOCKS, block)
            (folder / f"state-{len(done)}.restart").unlink()
            done.append(block)
    progress.update(blocks, blocks, piece=piece.name)
    return done


@contextmanager
def lammps_errors(piece: Piece) -> Iterator[None]:
    """Errors of LAMMPS, which raises plain exceptions, as LabkitError that names the piece."""
    try:
        yield
    except Exception as error:
        if type(error) not in (Exception, LabkitError):
            raise
        whose = "" if isinstance(error, LabkitError) else "LAMMPS: "
        raise LabkitError(f"{piece.name}: {whose}{str(error).strip()}") from error


def opened(settings: Solvent, piece: Piece, restart: Path, done: int) -> Any:
    return resume(settings, piece, restart, done) if restart.exists() else begin(settings, piece)


def read(path: Path) -> list[Block]:
    """Blocks of a file; a truncated last line is removed. Raises LabkitError if another one is damaged."""
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        os.truncate(path, len(whole) + bool(whole))
    found = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            plain = json.loads(line)
            found.append(Block(**{**plain, "velocity": tuple(plain["velocity"])}))
            if found[-1].block != number - 1:
                raise ValueError(f"block {found[-1].block}, expected {number - 1}")
        except (ValueError, TypeError, KeyError) as error:
            raise LabkitError(
                f"{path}: line {number} is not a block ({error}); remove its folder, start again"
            ) from error
    return found


def append(path: Path, block: Block) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(block)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def keep(lmp: Any, path: Path) -> None:
    """The state as a restart file of LAMMPS, completely or not at all."""
    temporary = path.with_suffix(".part")
    lmp.command(f'write_restart "{temporary}"')
    os.replace(temporary, path)
