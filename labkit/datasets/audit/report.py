"""What a report consists of: findings, and what they were read from."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Literal

import numpy as np

from labkit.errors import LabkitError
from labkit.files import atomic_write

if TYPE_CHECKING:
    from labkit.datasets.audit.alignment import Alignment
    from labkit.datasets.dataset import Dataset

Severity = Literal["problem", "warning", "note"]
ORDER: tuple[Severity, ...] = ("problem", "warning", "note")
COLOURS = {"problem": "#b3261e", "warning": "#a15c00", "note": "#4d5966"}


@dataclass(frozen=True)
class Finding:
    """One thing about a dataset.

    severity  'problem' (mend it), 'warning' (look at it) or 'note'
    topic     'forces alignment', 'energy unit', 'duplicates', ...
    text      what was found, with the numbers of frames and atoms
    remedy    what to do, or ""
    sure      how sure that is, and what was tested, or ""
    frames    numbers of the frames it is about, if it is about some only
    """

    severity: Severity
    topic: str
    text: str
    remedy: str = ""
    sure: str = ""
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What a dataset looks like to a careful reader: `print` it, or let a notebook show it.

    findings    problems first
    alignments  of forces and energy against the geometry, by shift of frames: what the panel draws
    values      'energy' (S,) eV/atom less its mean, 'forces' (n,) eV/Å, 'nearest <pair>' distances over covalent radii
    seconds     that it took
    """

    name: str
    findings: tuple[Finding, ...]
    alignments: tuple[Alignment, ...]
    values: dict[str, np.ndarray]
    seconds: float
    dataset: Dataset = field(repr=False)

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "problem")

    def about(self, topic: str) -> tuple[Finding, ...]:
        """The findings whose topic starts so."""
        return tuple(f for f in self.findings if f.topic.startswith(topic))

    @property
    def bad(self) -> tuple[int, ...]:
        """Frames whose own labels were found wrong."""
        single = [f.frames for f in self.findings if f.topic.endswith("of single frames")]
        return tuple(sorted({frame for frames in single for frame in frames}))

    @property
    def shifts(self) -> dict[str, int]:
        """Labels that were found shifted, and by how many frames: label k belongs to the geometry of frame k - s."""
        return {a.label: a.found for a in self.alignments if a.found and a.verdict == "shifted"}

    def mended(self) -> Dataset:
        """The dataset with shifted forces and energies put back to their frames; frames without partners are left out.

        Raises LabkitError where no shift was found.
        """
        from labkit.datasets.audit.repair import mended

        if not self.shifts:
            raise LabkitError(f"{self.name}: no shift of labels was found, so there is none to put right")
        rolled = {a.label for a in self.alignments if a.rolled}
        return mended(self.dataset, self.shifts, rolled)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [self.head()]
        for f in self.findings:
            lines.append(f"{f.severity.upper():8} {f.topic}: {f.text}")
            lines += [f"{'':9}{word} {text}" for word, text in (("→", f.remedy), ("·", f.sure)) if text]
        return "\n".join(lines)

    def head(self) -> str:
        """One line: how many of what."""
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
        """Write `to_json`, whole or not at all."""
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


def row(f: Finding) -> str:
    """A finding as a row of an HTML table, its severity in colour."""
    small = "".join(
        f"<div style='opacity:.75'>{word} {escape(text)}</div>"
        for word, text in (("→", f.remedy), ("·", f.sure))
        if text
    )
    cell = "style='text-align:left;vertical-align:top;padding:3px 12px 3px 0'"
    return (
        f"<tr><td {cell}><b style='color:{COLOURS[f.severity]}'>{f.severity}</b></td>"
        f"<td {cell}>{escape(f.topic)}</td><td {cell}>{escape(f.text)}{small}</td></tr>"
    )


def listed(frames: np.ndarray | list[int] | tuple[int, ...], most: int = 8) -> str:
    """Numbers of frames for people, stretches drawn together.

    >>> listed([3]), listed([1, 2, 3, 7])
    ('frame 3', 'frames 1-3, 7')
    """
    numbers = sorted(int(k) for k in frames)
    breaks = [0, *(n for n in range(1, len(numbers)) if numbers[n] != numbers[n - 1] + 1), len(numbers)]
    runs = [numbers[a:b] for a, b in zip(breaks, breaks[1:])]
    words = [str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs[:most]]
    more = f" and {len(numbers) - sum(map(len, runs[:most]))} more" if len(runs) > most else ""
    return f"frame{'s' * (len(numbers) != 1)} {', '.join(words)}{more}"
