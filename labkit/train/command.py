"""The command: read the training file and its frames, train or resume a stopped training, and test."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit.datasets import Dataset, DatasetWarning
from labkit.errors import LabkitError, Stopped
from labkit.md.external import found_file
from labkit.neural import NeuralPotential, Trained, train, untrained
from labkit.train.bar import TrainingBar
from labkit.train.folder import TrainingFolder, write_table
from labkit.train.frames import read_frames
from labkit.train.held_out import held_out_errors
from labkit.train.parts import split
from labkit.train.settings import TrainingFile

STOPPED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="RUN.yaml", help="a training file with TorchMD-Net's keys")
    parser.add_argument("--out", type=Path, help="the folder of the results, instead of log_dir")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="resume from the checkpoint in the folder")
    again.add_argument("--overwrite", action="store_true", help="start again and overwrite an earlier training")


def run(options: argparse.Namespace) -> int:
    """Train; return 0 when all steps are done and 130 when stopped. In both cases the model is in the folder."""
    file = TrainingFile.read(options.file)
    folder = TrainingFolder.made(options.out or Path(file.log_dir or options.file.stem).expanduser())
    with folder.locked():
        folder.check(resume=options.resume, overwrite=options.overwrite)
        with _sentences(folder):
            return _run(options, file, folder)


def _run(options: argparse.Namespace, file: TrainingFile, folder: TrainingFolder) -> int:
    for note in _notes(file):
        _say(folder, f"note: {note}", sys.stderr)
    frames = read_frames(file, options.file.parent)
    rows = split(frames, file, None if file.splits is None else found_file(file.splits, options.file.parent))
    if rows.leak:
        _say(folder, f"note: {rows.leak}", sys.stderr)
    learned, valid, test = (frames[part] for part in (rows.train, rows.valid, rows.test))
    potential = _start(file, frames, learned, options.file.parent)
    folder.begin(resume=options.resume)
    rows.write(folder.splits)
    training = file.training(len(learned))
    weights = sum(p.numel() for p in potential.parameters())
    length = f"{training.steps} steps" if training.steps else f"{training.budget:g} s"
    _say(
        folder,
        f"{frames.name}: {len(learned)} frames to train, {len(valid)} to validate, {len(test)} to test; "
        f"{potential.config.network} with {weights} weights, {', '.join(potential.vocabulary)}; {length}",
    )
    bar = TrainingBar(folder.history)
    try:
        with bar.interruptible():
            trained = train(
                potential, learned, valid if len(valid) else None, training, checkpoint=folder.checkpoint, progress=bar
            )
    except Stopped as stopped:
        print(file=sys.stderr)
        _write(folder, stopped.partial)
        _say(folder, _stopped(options, folder))
        return STOPPED
    except LabkitError as error:
        if bar.rows:  # some steps are done; the potential has its last good weights
            with suppress(LabkitError):
                potential.save(folder.model)
                print(f"the model as it was before is {folder.model}", file=sys.stderr)
        if not (frame := re.search(r"frame (\d+): the loss", str(error))):
            raise
        k = int(frame[1])
        raise LabkitError(f"{error} (training frame {k}, which is frame {rows.train[k]} of the data)") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error):
            raise LabkitError(
                f"out of memory ({str(error).splitlines()[0] if str(error) else 'no more'}); take a smaller batch, "
                "fewer channels, a shorter cutoff or fewer frames (train_size)"
            ) from error
        raise
    _write(folder, trained)
    _test(folder, trained.potential, valid, test)
    print(f"model {folder.model}, history {folder.history}, errors {folder.errors}, split {folder.splits}")
    return 0


def _notes(file: TrainingFile) -> list[str]:
    """Notes on keys that mean something else than in TorchMD-Net, or are not used."""
    notes = list(file.notes)
    if file.num_epochs is not None and (file.budget is not None or file.steps is not None):
        notes.append(f"num_epochs is not used: {'steps' if file.steps is not None else 'budget'} says when to end")
    elif file.num_epochs is not None and any("early_stopping" in note for note in notes):
        notes.append(f"all {file.num_epochs} epochs are run; budget: 300 would end after 300 s, Ctrl-C at once")
    if file.energy_weight and file.force_weight:
        notes.append("y_weight and neg_dy_weight count squared errors of energies per atom and of forces")
    return notes


def _start(file: TrainingFile, frames: Dataset, learned: Dataset, folder: Path) -> NeuralPotential:
    """An untrained potential, or the one to start from; it must know the species of all frames."""
    if file.load_model is None:
        potential = untrained(learned, file.config())
    else:
        potential = NeuralPotential.load(found_file(file.load_model, folder))
    potential.species_of(frames.state().system)  # test frames may have elements that no training frame has
    return potential.double() if file.precision == 64 else potential


def _write(folder: TrainingFolder, trained: Trained) -> None:
    trained.potential.save(folder.model)
    if trained.history:
        write_table(folder.history, trained.history)


def _test(folder: TrainingFolder, potential: NeuralPotential, valid: Dataset, test: Dataset) -> None:
    found = [
        held_out_errors(potential, frames, name)
        for name, frames in (("validation", valid), ("test", test))
        if len(frames)
    ]
    if not found:
        return
    write_table(folder.errors, found)
    for row in found:
        values = [f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float) and v == v]
        _say(folder, f"{row['frames']} ({row['number']} frames): {', '.join(values)}")


def _stopped(options: argparse.Namespace, folder: TrainingFolder) -> str:
    said = f"stopped; the model as it is now is {folder.model}"
    if not folder.checkpoint.exists():
        return f"{said}; it was stopped before its steps were counted, so start it again with --overwrite"
    out = f" --out {shlex.quote(str(options.out))}" if options.out else ""
    return f"{said}; resume with: labkit train {shlex.quote(str(options.file))} --resume{out}"


def _say(folder: TrainingFolder, line: str, stream: object = None) -> None:
    folder.say(line)
    print(line, file=stream or sys.stdout)


@contextmanager
def _sentences(folder: TrainingFolder) -> Iterator[None]:
    """Inside the block, print each warning about data once, as a note."""
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: object, **_: object) -> None:
        if not issubclass(category, DatasetWarning):
            others(message, category, *where)
        elif str(message) not in said:
            said.add(str(message))
            _say(folder, f"note: {message}", sys.stderr)

    with warnings.catch_warnings():
        others = warnings.showwarning
        warnings.simplefilter("always", DatasetWarning)
        warnings.showwarning = show
        yield
