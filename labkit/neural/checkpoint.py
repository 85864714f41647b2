"""A training on disk, complete or absent: weights, their average, moments, best, step and plan."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import labkit
from labkit.errors import LabkitError
from labkit.files import atomic_tensors, read_tensors, sealed, tensors_digest, whole_content
from labkit.neural.plan import Plan

if TYPE_CHECKING:
    from labkit.neural.training_run import TrainingRun

FORMAT = "labkit training 1"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class TrainingCheckpoint:
    """A file that belongs to one training: the same start, data, settings and version of labkit.

    The training may be resumed with the potential it started from, or with the one that a stopped part of it returned.
    """

    def __init__(self, path: str | os.PathLike[str], run: TrainingRun) -> None:
        self.path, self.mark, self.start = Path(path), _mark(run), _digest(run)

    def write(self, run: TrainingRun) -> None:
        """Store where the training is."""
        moments = [run.optimiser.state[p] for p in run.parameters]
        groups: dict[str, list[Tensor]] = {
            "weights": [p.detach() for p in run.parameters],
            "average": run.average,
            "best": run.history.best or [],
            **{name: [m[name] for m in moments if m] for name in MOMENTS},
        }
        tensors = {f"{name}.{k}": value for name, values in groups.items() for k, value in enumerate(values)}
        header = {
            "format": FORMAT,
            "training": self.mark,
            "start": self.start,
            "reached": _digest(run, run.reached),
            "step": json.dumps(run.step),
            "seconds": json.dumps(run.seconds),
            "best": json.dumps(run.history.loss if run.history.best else None),
            "plan": json.dumps(None if run.plan is None else asdict(run.plan)),
            "history": json.dumps(run.history.rows),
        }
        atomic_tensors(self.path, tensors, sealed(header, tensors))

    def resume(self, run: TrainingRun) -> None:
        """Continue from the file, if there is one. Raises LabkitError if it is of another training, or damaged."""
        if not self.path.exists():
            return
        header, tensors = read_tensors(self.path, FORMAT, "checkpoint of a training", "cpu")
        if header.get("training") != self.mark or self.start not in (header.get("start"), header.get("reached")):
            raise LabkitError(
                f"{self.path}: is the checkpoint of another training (other data, settings, start or version of "
                "labkit); give another file, or remove it"
            )
        self.start = header["start"]
        with whole_content(self.path, "remove it to begin again"):
            plan, best = json.loads(header["plan"]), json.loads(header["best"])
            run.plan = None if plan is None else Plan(**plan)
            run.step, run.spent = json.loads(header["step"]), json.loads(header["seconds"])
            run.history.rows = json.loads(header["history"])
            with torch.no_grad():
                for k, parameter in enumerate(run.parameters):
                    parameter.copy_(tensors[f"weights.{k}"])
                    run.average[k].copy_(tensors[f"average.{k}"])
                    if run.step:
                        run.optimiser.state[parameter] = {name: tensors[f"{name}.{k}"] for name in MOMENTS}
            if best is not None:
                run.history.loss, run.history.best = best, [tensors[f"best.{k}"] for k in range(len(run.parameters))]


def _mark(run: TrainingRun) -> str:
    """What decides the course of a training, but for its start."""
    valid = None if run.validation is None else run.validation.data.hash
    parts = [run.potential.config.to_dict(), run.training.to_dict(), run.frames.data.hash, valid, labkit.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(run: TrainingRun, weights: list[Tensor] | None = None) -> str:
    """Of the potential, or of it with these weights."""
    tensors = dict(run.potential.state_dict())
    if weights is not None:
        trained = [name for name, p in run.potential.named_parameters() if p.requires_grad]
        tensors |= dict(zip(trained, weights, strict=True))
    return tensors_digest({}, tensors)
