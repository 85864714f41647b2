"""Rows of one set of frames, their labels, and the results computed from both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from labkit.config import config as run_config
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig
from labkit.gap.frame_noise import noise_ratios
from labkit.gap.metrics import truth
from labkit.gap.rows import VOIGT, Rows
from labkit.regression import Block

if TYPE_CHECKING:
    from labkit.datasets import Dataset
    from labkit.gap.model import GapModel


class RowStore:
    """Rows of energies (S, M), forces (3n, M) and virials (6S, M) of a set of frames, filled batch by batch."""

    def __init__(self, frames: Dataset, columns: int, virials: bool, forces: bool) -> None:
        self.frames, self.columns, self.done = frames, columns, 0
        self.offsets = np.asarray(frames.offsets)
        sizes = {"energy": 1, "stress": 6 if virials else 0}
        device = run_config().device
        self.rows = {
            name: torch.empty(len(frames) * size, columns, dtype=torch.float64, device=device)
            for name, size in sizes.items()
            if size
        }
        if forces:
            self.rows["forces"] = torch.empty(3 * self.offsets[-1], columns, dtype=torch.float64, device=device)
        self._finished = np.zeros(len(frames), bool)
        self._blocks: dict[str, Block] = {}

    def target(self, e0: Mapping[str, float], config: GapConfig) -> None:
        """Prepare labels minus e0, and the ratios of each row's noise to its sigma."""
        self.targets, self.scales = targets_of(self.frames), noises_of(self.frames, config)
        self.targets["energy"] -= torch.as_tensor(self.lone(e0))
        device = run_config().device
        self.targets = {name: value.to(device, torch.float64) for name, value in self.targets.items()}
        self.scales = {name: value.to(device) for name, value in self.scales.items()}
        self._blocks = {name: Block(self.columns) for name in self.rows}

    def lone(self, e0: Mapping[str, float]) -> np.ndarray:
        """Σ e0 of each frame, (S,) eV."""
        return np.array([sum(e0[s] for s in atoms.get_chemical_symbols()) for atoms in self.frames.atoms])

    def put(self, batch: list[int], rows: Rows) -> None:
        """Store the rows of consecutive frames and pass those with labels to the least-squares blocks."""
        first, last = batch[0], batch[-1] + 1
        for name, shape in self.shapes(batch).items():  # rows of another shape would be broadcast
            there = getattr(rows, name)
            if there is None or tuple(there.shape) != shape:
                found = None if there is None else tuple(there.shape)
                raise LabkitError(f"{self.frames.name}: rows {name} of frame {first} on are {found}, expected {shape}")
        spans = self._spans(first, last)
        found = {"energy": rows.energy, "forces": rows.force.flatten(0, 1)}
        if rows.virial is not None:
            found["stress"] = rows.virial.flatten(0, 1)
        for name, store in self.rows.items():
            store[spans[name]] = found[name]
            if name in self._blocks:
                self._add(name, spans[name])
        self._finished[first:last] = True
        self.done += last - first

    def shapes(self, batch: list[int]) -> dict[str, tuple[int, ...]]:
        """Shapes of the Rows of consecutive frames."""
        atoms = int(self.offsets[batch[-1] + 1] - self.offsets[batch[0]])
        found = {"energy": (len(batch), self.columns), "force": (atoms, 3, self.columns)}
        return found | ({"virial": (len(batch), 6, self.columns)} if "stress" in self.rows else {})

    def subset(self, which: list[int], frames: Dataset, e0: Mapping[str, float], config: GapConfig) -> RowStore:
        """The rows of some frames, as if only these had been computed."""
        if not self._finished[which].all():
            raise LabkitError(f"{frames.name}: a subset needs the rows of its frames, but this design is incomplete")
        part = RowStore(frames, self.columns, "stress" in self.rows, "forces" in self.rows)
        part.target(e0, config)
        for first in range(0, len(which), 8):
            batch = list(range(first, min(first + 8, len(which))))
            own = part._spans(batch[0], batch[-1] + 1)
            source = [self._spans(which[k], which[k] + 1) for k in batch]
            for name, rows in part.rows.items():
                torch.cat([self.rows[name][spans[name]] for spans in source], out=rows[own[name]])
                part._add(name, own[name])
        part._finished[:], part.done = True, len(which)
        return part

    def blocks(self) -> dict[str, Block]:
        return self._blocks

    def predictions(self, weights: Tensor, e0: Mapping[str, float]) -> dict[str, np.ndarray]:
        """Predictions for the frames done so far (NaN for the others), and the labels."""
        out = {"energy": self._product("energy", weights) + self.lone(e0), **truth(self.frames)}
        waiting, atoms = ~self._finished, np.repeat(~self._finished, self.frames.counts)
        missing = {"energy": waiting, "forces": atoms, "stress": waiting}  # rows still to come
        for name, rows in missing.items():
            out[f"{name}_true"] = np.array(out[f"{name}_true"], float)
            out[f"{name}_true"][rows] = np.nan
        out["energy"][waiting] = np.nan
        if "forces" in self.rows:
            out["forces"] = self._product("forces", weights).reshape(-1, 3)
            out["forces"][atoms] = np.nan
        if "stress" in self.rows:
            volumes = np.array([abs(np.linalg.det(a.cell.array)) for a in self.frames.atoms])
            six = self._product("stress", weights).reshape(-1, 6) / np.where(volumes > 0, volumes, np.nan)[:, None]
            stress = np.empty((len(six), 3, 3))
            stress[:, VOIGT[0], VOIGT[1]] = stress[:, VOIGT[1], VOIGT[0]] = six
            stress[waiting] = np.nan
            out["stress"] = stress
        return out

    def leave_one_out(self, model: GapModel, e0: Mapping[str, float]) -> dict[str, np.ndarray]:
        """Predictions for each frame by the fit without it."""
        out = self.predictions(model.weights, e0)
        sigmas = {
            "energy": model.config.sigma_energy,
            "forces": model.config.sigma_force,
            "stress": model.config.sigma_virial,
        }
        inverse = torch.linalg.inv(model.factor)
        for frame in np.flatnonzero(self._finished):
            spans = self._spans(frame, frame + 1)
            parts, residuals, places = [], [], []
            for name, rows in self.rows.items():
                at = torch.arange(spans[name].start, spans[name].stop, device=rows.device)
                at = at[torch.isfinite(self.targets[name][at])]
                scale = self.scales[name][at] * sigmas[name]
                parts.append(rows[at] / scale[:, None])
                residuals.append((self.targets[name][at] - rows[at] @ model.weights) / scale)
                places.append((name, at, scale))
            half = torch.cat(parts) @ inverse
            leverage = half @ half.mT
            eye = torch.eye(len(leverage), dtype=leverage.dtype, device=leverage.device)
            without = torch.linalg.solve(eye - leverage, torch.cat(residuals))
            for (name, at, scale), mine in zip(places, without.split([len(p) for p in parts]), strict=True):
                self._write_left_out(out, name, frame, at, (self.targets[name][at] - mine * scale).cpu().numpy(), e0)
        return out

    def _write_left_out(
        self,
        out: dict[str, np.ndarray],
        name: str,
        frame: int,
        at: Tensor,
        values: np.ndarray,
        e0: Mapping[str, float],
    ) -> None:
        at = at.cpu().numpy()
        if name == "energy" and len(values):
            out["energy"][frame] = values[0] + sum(e0[s] for s in self.frames.atoms[frame].get_chemical_symbols())
        elif name == "forces":
            out["forces"].reshape(-1)[at] = values
        elif name == "stress":
            a, b = np.asarray(VOIGT[0])[at % 6], np.asarray(VOIGT[1])[at % 6]
            values = values / abs(np.linalg.det(self.frames.atoms[frame].cell.array))
            out["stress"][frame, a, b] = out["stress"][frame, b, a] = values

    def _spans(self, first: int, last: int) -> dict[str, slice]:
        return {
            "energy": slice(first, last),
            "forces": slice(3 * int(self.offsets[first]), 3 * int(self.offsets[last])),
            "stress": slice(6 * first, 6 * last),
        }

    def _add(self, name: str, span: slice) -> None:
        rows, targets, scales = self.rows[name][span], self.targets[name][span], self.scales[name][span]
        labelled = torch.isfinite(targets)
        if not bool(labelled.all()):
            rows, targets, scales = rows[labelled], targets[labelled], scales[labelled]
        if len(rows):
            self._blocks[name].add(rows, targets, scales)

    def _product(self, name: str, weights: Tensor) -> np.ndarray:
        return (self.rows[name] @ weights).cpu().numpy()


def targets_of(frames: Dataset) -> dict[str, Tensor]:
    """The labels of rows: energies (S,), forces (3n,) and V stress = dE/dstrain (6S,), NaN where there is none."""
    volumes = torch.tensor([abs(np.linalg.det(a.cell.array)) for a in frames.atoms], dtype=torch.float64)
    virial = torch.as_tensor(truth(frames)["stress_true"])[:, VOIGT[0], VOIGT[1]] * volumes[:, None]
    return {
        "energy": torch.tensor(frames.energy, dtype=torch.float64),
        "forces": torch.as_tensor(frames.forces).flatten(),
        "stress": virial.flatten(),
    }


def noises_of(frames: Dataset, config: GapConfig) -> dict[str, Tensor]:
    """The ratio of the noise of each row to its sigma."""
    ratios = {name: torch.as_tensor(x) for name, x in noise_ratios(frames, config).items()}
    return {
        "energy": ratios["energy"],
        "forces": ratios["forces"].flatten(),
        "stress": ratios["stress"].repeat_interleave(6),
    }
