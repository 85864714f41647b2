"""One finding about a dataset, as text and as a row of a table."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

Severity = Literal["problem", "warning", "note"]


ORDER: tuple[Severity, ...] = ("problem", "warning", "note")


COLOURS = {"problem": "#b3261e", "warning": "#a15c00", "note": "#4d5966"}


@dataclass(frozen=True)
class Finding:
    """One finding about a dataset.

    severity  'problem' (repair it), 'warning' (check it) or 'note'
    topic     'forces alignment', 'energy unit', 'duplicates', ...
    text      what was found, with the numbers of frames and atoms
    remedy    what to do, or ""
    sure      how sure that is, and what was tested, or ""
    frames    numbers of the frames concerned, if not all
    value     the number on which it rests (such as a ratio of energies to forces), and its standard error, or None
    """

    severity: Severity
    topic: str
    text: str
    remedy: str = ""
    sure: str = ""
    frames: tuple[int, ...] = ()
    value: float | None = None
    error: float | None = None


def row(f: Finding) -> str:
    """A finding as a row of an HTML table, its severity in colour, its statistics folded away."""
    remedy = f"<div style='opacity:.75'>→ {escape(f.remedy)}</div>" if f.remedy else ""
    sure = f"<details style='opacity:.75'><summary>how sure</summary>{escape(f.sure)}</details>" if f.sure else ""
    small = remedy + sure
    cell = "style='text-align:left;vertical-align:top;padding:3px 12px 3px 0'"
    return (
        f"<tr><td {cell}><b class='labkit-{f.severity}' style='color:{COLOURS[f.severity]}'>{f.severity}</b></td>"
        f"<td {cell}>{escape(f.topic)}</td><td {cell}>{escape(f.text)}{small}</td></tr>"
    )
