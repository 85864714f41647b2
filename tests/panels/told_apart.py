"""Which curves of a figure are told apart by nothing, or by colour alone."""

from __future__ import annotations

from itertools import combinations

from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D


def alike(figure: Figure) -> list[str]:
    """Pairs of lines of one axes that look the same, and pairs of named ones that differ by colour alone."""
    found = []
    for axes in figure.axes:
        if not axes.axison:
            continue  # atoms
        bars = [container for container in axes.containers if isinstance(container, ErrorbarContainer)]
        names = {id(bar[0]): bar.get_label() for bar in bars}
        caps = {id(cap) for bar in bars for cap in bar[1]}
        drawn = [line for line in axes.lines if line.get_visible() and id(line) not in caps and len(line.get_xdata())]
        for one, other in combinations(drawn, 2):
            pair = [str(names.get(id(line), line.get_label())) for line in (one, other)]
            named = not any(name.startswith("_") for name in pair)
            if style(one) == style(other) and (named or colour(one) == colour(other)):
                found.append(f"{axes.get_title(loc='left')}: {' and '.join(pair)}")
    return found


def style(line: Line2D) -> tuple:
    dashes = None if line.get_linestyle() in ("None", "none", " ", "") else repr(line._unscaled_dash_pattern)
    marker = line.get_marker() if line.get_marker() not in ("None", "none", " ", "", None) else None
    hollow = marker is not None and to_hex(line.get_markerfacecolor()) != to_hex(line.get_color())
    return dashes, marker, hollow


def colour(line: Line2D) -> str:
    return to_hex(line.get_color())
