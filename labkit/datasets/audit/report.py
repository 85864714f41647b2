"""The report of an audit: findings, and the data behind them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from html import escape

import numpy as np

from labkit.datasets.audit.alignment import Alignment
from labkit.datasets.audit.finding import ORDER, Finding, row
from labkit.datasets.audit.repair import repaired
from labkit.datasets.dataset import Dataset
from labkit.errors import LabkitError
from labkit.files import atomic_write


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The result of an audit: `print` it, or display it in a notebook.

    findings    the problems come first
    alignments  of forces and energy with the geometry, by shift of frames: what the panel draws
    values      'energy' (S,) eV/atom minus its mean, 'forces' (n,) eV/Å, 'nearest <pair>' distances over covalent radii
    seconds     that the audit took
    repairs     functions that repair the order of atoms, and units, sign and order of stresses
    """

    name: str
    findings: tuple[Finding, ...]
    alignments: tuple[Alignment, ...]
    values: dict[str, np.ndarray]
    seconds: float
    dataset: Dataset = field(repr=False)
    repairs: tuple[Callable[[Dataset], Dataset], ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "problem")

    def about(self, topic: str) -> tuple[Finding, ...]:
        """The findings whose topic starts with `topic`."""
        return tuple(f for f in self.findings if f.topic.startswith(topic))

    @property
    def bad(self) -> tuple[int, ...]:
        """Frames whose labels were found to be wrong, one by one."""
        single = [f.frames for f in self.findings if f.topic.endswith("of single frames")]
        return tuple(sorted({frame for frames in single for frame in frames}))

    @property
    def shifts(self) -> dict[str, int]:
        """Labels that were found shifted, and by how many frames: label k belongs to the geometry of frame k - s."""
        return {a.label: a.found for a in self.alignments if a.found and a.verdict == "shifted"}

    def repaired(self) -> Dataset:
        """The dataset with the faults that can be repaired put right.

        Forces are put in the order of the atoms; stresses are converted to eV/Å^3, with the sign and the order of ASE;
        shifted forces and energies are moved back to their frames, and frames without labels are then left out.

        Raises LabkitError if there is no such fault.
        """
        if not self.shifts and not self.repairs:
            text = "no shift of labels was found, no other order of atoms, no fault of stresses with one repair"
            raise LabkitError(f"{self.name}: {text}: there is nothing to repair")
        dataset = self.dataset
        for repair in self.repairs:
            dataset = repair(dataset)
        rolled = {a.label for a in self.alignments if a.rolled}
        return repaired(dataset, self.shifts, rolled) if self.shifts else dataset

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [self.head()]
        for f in self.findings:
            lines.append(f"{f.severity.upper():8} {f.topic}: {f.text}")
            lines += [f"{'':9}{word} {text}" for word, text in (("→", f.remedy), ("·", f.sure)) if text]
        return "\n".join(lines)

    def head(self) -> str:
        """One line: the number of frames, atoms and findings."""
        counts = [sum(f.severity == s for f in self.findings) for s in ORDER]
        found = ", ".join(f"{n} {s}{'s' * (n != 1)}" for n, s in zip(counts, ORDER))
        return f"{self.name}: {len(self.dataset)} frames, {self.dataset.offsets[-1]} atoms: {found}"

    def _repr_html_(self) -> str:
        rows = "".join(row(f) for f in self.findings)
        return f"<div><b>{escape(self.head())}</b><table style='text-align:left'>{rows}</table></div>"

    def to_json(self) -> str:
        """Findings and alignment curves as JSON."""
        curves = [
            {
                **{k: v for k, v in asdict(a).items() if not isinstance(v, np.ndarray)},
                **{k: [None if x != x else x for x in getattr(a, k).tolist()] for k in ("shifts", "error", "frames")},
            }
            for a in self.alignments
        ]
        content = {"name": self.name, "frames": len(self.dataset), "sha256": self.dataset.hash, "seconds": self.seconds}
        return json.dumps({**content, "findings": [asdict(f) for f in self.findings], "alignments": curves}, indent=1)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json`; the file appears complete or not at all."""
        atomic_write(path, self.to_json() + "\n")

    def to_csv(self) -> str:
        """A line for each finding and frame it names (or one without a frame)."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["severity", "topic", "frame", "text", "remedy", "sure"])
        for f in self.findings:
            for frame in f.frames or ("",):
                writer.writerow([f.severity, f.topic, frame, f.text, f.remedy, f.sure])
        return out.getvalue()
