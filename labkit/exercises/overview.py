"""`progress`: which exercises are done and which are open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby

from labkit.errors import LabkitError
from labkit.exercises import record
from labkit.exercises.catalogue import Exercise, catalogue

STYLE = """<style>
.labkit .labkit-chip { display: inline-block; margin: 2px 6px 2px 0; padding: 0 9px; border-radius: 10px;
  font-size: 12px; line-height: 20px; border: 1px solid var(--jp-border-color1, #bdbdbd);
  color: var(--jp-ui-font-color2, #75808d); font-variant-numeric: tabular-nums; }
.labkit .labkit-chip.labkit-optional { border-style: dashed; }
.labkit .labkit-chip.labkit-done { background: #2a7f62; border-color: #2a7f62; color: white; }
.labkit td.labkit-chips { text-align: left !important; }
.labkit .labkit-table tr { vertical-align: top; }
</style>"""


@dataclass(frozen=True)
class Overview:
    """Exercises with their records."""

    exercises: tuple[Exercise, ...]
    entries: record.Entries
    note: str = ""
    titles: bool = False

    def done(self, one: Exercise) -> bool:
        return bool(self.entries.get(one.number, {}).get("done"))

    def count(self, exercises: Iterable[Exercise]) -> str:
        """How many of the non-optional ones are done.

        >>> Overview((), {}).count([])
        '0 of 0'
        """
        needed = [one for one in exercises if not one.optional]
        return f"{sum(map(self.done, needed))} of {len(needed)}"

    def __repr__(self) -> str:
        lines = [self.note] if self.note else []
        for notebook, group in groupby(self.exercises, lambda one: one.notebook):
            mine = list(group)
            marks = "  ".join(f"{'✓' if self.done(one) else '○'} {one.number}{_title(one, self)}" for one in mine)
            lines.append(f"notebook {notebook}: {self.count(mine)} done   {marks}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from labkit.panels.kit.style import CSS  # panels need widgets; progress in a terminal does not

        rows = [f"<div class='labkit-error'>{escape(self.note)}</div>"] if self.note else []
        for notebook, group in groupby(self.exercises, lambda one: one.notebook):
            mine = list(group)
            chips = "<br>".join(_chip(self, one) + _label(one) for one in mine) if self.titles else _chips(self, mine)
            rows.append(f"<tr><td>Notebook {notebook}</td><td class='labkit-chips'>{chips}</td>"
                        f"<td>{self.count(mine)}</td></tr>")  # fmt: skip
        return f"{CSS}{STYLE}<div class='labkit'><table class='labkit-table'>{''.join(rows)}</table></div>"


def progress(notebook: str = "") -> Overview:
    """Show which exercises are done, for all notebooks, or with titles for one, as in `progress("01")`.

    Raises LabkitError for a notebook without exercises.
    """
    known = catalogue().values()
    chosen = tuple(one for one in known if not notebook or one.notebook == notebook[:2])
    if not chosen:
        there = ", ".join(sorted({one.notebook for one in known}))
        raise LabkitError(f"notebook {notebook!r} has no exercises; those with exercises: {there}")
    return Overview(chosen, *record.entries(), titles=bool(notebook))


def row(notebook: str) -> str:
    """HTML: the exercises of one notebook in one line."""
    shown = progress(notebook)
    return f"{STYLE}<div style='margin-top: 4px'>{_chips(shown, shown.exercises)}</div>"


def _chips(shown: Overview, exercises: Iterable[Exercise]) -> str:
    return "".join(_chip(shown, one) for one in exercises)


def _chip(shown: Overview, one: Exercise) -> str:
    kinds = ["labkit-chip", *["labkit-done"] * shown.done(one), *["labkit-optional"] * one.optional]
    mark = "✓ " if shown.done(one) else ""
    return f"<span class='{' '.join(kinds)}' title='{escape(one.title, quote=True)}'>{mark}{one.number}</span>"


def _label(one: Exercise) -> str:
    return f"<span class='labkit-hint'>{escape(one.title)}{' (optional)' if one.optional else ''}</span>"


def _title(one: Exercise, shown: Overview) -> str:
    return f" {one.title}" if shown.titles else ""
