"""The findings of an audit in words: what is wrong and what to do, and the rest folded away."""

from __future__ import annotations

from labkit.datasets.audit import Report
from labkit.datasets.audit.finding import row


def verdict(report: Report) -> str:
    """The result in one sentence."""
    counts = {name: sum(f.severity == name for f in report.findings) for name in ("problem", "warning")}
    said = [f"{n} {name}{'s' * (n != 1)}" for name, n in counts.items() if n]
    if not said:
        return "Nothing wrong was found."
    todo = "Repair the data before you train." if counts["problem"] else "Read what follows before you train."
    return f"{' and '.join(said)} found. {todo}"


def findings_table(report: Report) -> str:
    """The verdict, then problems and warnings as a table; notes are folded away below it."""
    serious = [row(f) for f in report.findings if f.severity != "note"]
    notes = [row(f) for f in report.findings if f.severity == "note"]
    folded = f"<details><summary>{len(notes)} notes: contents and what was tested</summary>{_table(notes)}</details>"
    said = f"<p style='font-weight:600;margin:4px 0'>{verdict(report)}</p>"
    return said + (_table(serious) if serious else "") + (folded if notes else "")


def _table(rows: list[str]) -> str:
    return f"<table class='labkit-table' style='width:100%'>{''.join(rows)}</table>"
