"""Pieces of HTML that panels show; every text from outside is escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from html import escape


def head(title: str, text: str) -> str:
    return f"<div class='labkit-title'>{escape(title)}</div>{hint(text)}"


def error(message: str) -> str:
    return f"<div class='labkit-error' role='alert'>{escape(message)}</div>" if message else ""


def hint(text: str) -> str:
    return f"<div class='labkit-hint'>{escape(text)}</div>" if text else ""


def label(name: str, help: str = "") -> str:
    """The name of a control, with its help as a tooltip.

    >>> label("noise", 'of "labels"')
    '<label class="labkit-label" title="of &quot;labels&quot;">noise</label>'
    """
    title = f' title="{escape(help)}"' if help else ""
    return f'<label class="labkit-label"{title}>{escape(name)}</label>'


def bold(text: str) -> str:
    """The heading of a group of controls."""
    return f"<div class='labkit-hint'><b>{escape(text)}</b></div>"


def changed(words: str, running: bool) -> str:
    """A line above results whose parameters are no longer those set now."""
    remedy = "" if running else " Press Run to use the new settings."
    return (
        f"<div class='labkit-changed' role='status'>Shown: a run with {escape(words)}.{remedy}</div>" if words else ""
    )


def state(status: str, fraction: float, eta: float | None, changed: bool = False) -> str:
    """The state of the work, as in "running · 40 % · 12 s left"; `changed`: parameters are not those of the results.

    >>> state("done", 1.0, None, changed=True)
    "<span class='labkit-hint labkit-state'>settings changed · press Run</span>"
    """
    if changed and status not in ("running", "stopping", "failed"):
        status, fraction, eta = "settings changed · press Run", 0.0, None
    parts = [status]
    if status in ("running", "stopping", "stopped"):
        parts.append(f"{fraction:.0%}")
    if status == "running" and eta is not None:
        parts.append(f"{seconds(eta)} left")
    return f"<span class='labkit-hint labkit-state'>{' · '.join(parts)}</span>"


def seconds(value: float) -> str:
    """A duration in words.

    >>> seconds(7.6), seconds(125), seconds(7300)
    ('8 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def code(text: str) -> str:
    """A script with a button that copies it and a link that saves it; a click on the text also selects all of it."""
    copy = "navigator.clipboard.writeText(this.nextElementSibling.textContent);this.textContent='Copied'"
    data = base64.b64encode(text.encode()).decode()
    save = f'<a class="labkit-save" download="script.py" href="data:text/x-python;base64,{data}">Save as script.py</a>'
    shown = f'<pre class="labkit-code">{escape(text)}</pre>'
    return f'<button class="labkit-link" onclick="{copy}">Copy</button>{shown}{save}'


def links(files: Mapping[str, bytes]) -> str:
    """Links that save files, with the content in them: they work behind any server and without one."""
    if not files:
        return hint("Nothing to download yet: press Run first.")
    return "".join(
        f'<a class="labkit-link" download="{escape(name)}" '
        f'href="data:application/octet-stream;base64,{base64.b64encode(content).decode()}">'
        f"{escape(name)} ({size(len(content))})</a>"
        for name, content in files.items()
    )


def size(count: int) -> str:
    """A number of bytes in words.

    >>> size(900), size(12_300), size(4_200_000)
    ('900 B', '12 kB', '4.2 MB')
    """
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


UNBROKEN = re.compile(r"\[[^]]*\]|λ = \d")  # in the heads of tables


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; in a narrow page its heads wrap before a unit, not within it, and a number keeps its error.

    >>> table(["force [eV/Å]"], [["2"]]).partition("</th>")[0]
    "<table class='labkit-table'><tr><th>force <span class='labkit-unbroken'>[eV/Å]</span>"
    """
    whole = r"<span class='labkit-unbroken'>\g<0></span>"
    top = "".join(f"<th>{UNBROKEN.sub(whole, escape(cell))}</th>" for cell in head)
    kept = [[escape(cell).replace(" ± ", "\u00a0±\u00a0") for cell in row] for row in rows]
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in kept)
    return f"<table class='labkit-table'><tr>{top}</tr>{body}</table>"


def _cell(text: str) -> str:
    """One of a table; a browser would break 1e-02 after the sign."""
    return f"<td class='labkit-unbroken'>{text}</td>" if re.fullmatch(r"[\d.]+e-\d+", text) else f"<td>{text}</td>"


def row(cells: Iterable[str], css: str) -> str:
    """Cells side by side; rows of one class are aligned although each is separate."""
    return f"<div class='{css}'>" + "".join(f"<span>{escape(cell)}</span>" for cell in cells) + "</div>"
