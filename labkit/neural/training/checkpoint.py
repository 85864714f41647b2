"""A training on disk, complete or absent: weights, their average and moments, the best weights, step and plan."""

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
from labkit.neural.training.plan import Plan

if TYPE_CHECKING:
    from labkit.neural.training.run import TrainingRun

FORMAT = "labkit training 2"
MOMENTS = ("exp_avg", "exp_avg_sq", "step", "momentum")


class TrainingCheckpoint:
    """A file that belongs to one training: the same start, data, settings and version of labkit.

    To resume, pass the potential that the training started from, or the one that it returned when it was stopped.
    """

    def __init__(self, path: str | os.PathLike[str], run: TrainingRun) -> None:
        self.path, self.mark, self.start = Path(path), _mark(run), _digest(run)

    def write(self, run: TrainingRun) -> None:
        """Store the state of the training."""
        weights = run.weights
        groups: dict[str, list[Tensor]] = {
            "weights": [p.detach() for p in weights.parameters],
            "average": weights.average,
            "best": run.history.best or [],
            "losses": [torch.tensor(run.losses, dtype=torch.float64)],
            **{f"snapshot {m}": values for m, values in enumerate(weights.snapshots)},
        }
        tensors = {f"{name}.{k}": value for name, values in groups.items() for k, value in enumerate(values)}
        for k, p in enumerate(weights.parameters):
            tensors |= {f"{name}.{k}": value for name, value in run.optimiser.state[p].items() if name in MOMENTS}
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
            "snapshots": json.dumps(len(weights.snapshots)),
        }
        atomic_tensors(self.path, tensors, sealed(header, tensors))

    def resume(self, run: TrainingRun) -> None:
        """Continue from the file, if there is one. Raises LabkitError if it is damaged or of another training."""
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
            run.plan = None if plan is None else Plan(**plan | {"looked": tuple(plan["looked"])})
            run.losses = tensors["losses.0"].tolist()
            run.step, run.spent = json.loads(header["step"]), json.loads(header["seconds"])
            run.history.rows = json.loads(header["history"])
            weights, count = run.weights, len(run.weights.parameters)
            with torch.no_grad():
                for k, parameter in enumerate(weights.parameters):
                    parameter.copy_(tensors[f"weights.{k}"])
                    weights.average[k].copy_(tensors[f"average.{k}"])
                    if run.step:
                        known = {n: tensors[f"{n}.{k}"] for n in MOMENTS if f"{n}.{k}" in tensors}
                        run.optimiser.restore(parameter, known)
            if best is not None:
                run.history.loss, run.history.best = best, [tensors[f"best.{k}"] for k in range(count)]
            kept = range(json.loads(header["snapshots"]))
            weights.snapshots = [[tensors[f"snapshot {m}.{k}"] for k in range(count)] for m in kept]


def _mark(run: TrainingRun) -> str:
    """Everything that determines a training, except its start."""
    parts = [run.potential.config.to_dict(), run.training.to_dict(), run.sets.hashes, labkit.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(run: TrainingRun, weights: list[Tensor] | None = None) -> str:
    """Digest of the potential, or of the potential with these weights."""
    tensors = dict(run.potential.state_dict())
    if weights is not None:
        tensors |= run.weights.named(weights)
    return tensors_digest({}, tensors)
