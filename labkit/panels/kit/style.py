"""How all panels look: one place for colours, fonts, figures and CSS."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from labkit.panels.kit.notebook_picture import NotebookPicture
from labkit.panels.kit.plotted import Plotted

TRAIN, VALID = "#3b6ea8", "#e07b39"  # blue and orange: also distinct for colour-blind eyes
FORCE = "#2a7f62"
SET_NAMES = {"train": "training", "valid": "validation"}
INK, MUTED, GRID, BAD = "#2b3440", "#75808d", "#e6e9ed", "#b3261e"
DPI = 150  # drawn at 1.5 times the size on screen, which stays sharp on fine displays

CSS = f"""<style>
.labkit {{ max-width: 1080px; font-size: 13px; }}
.labkit .labkit-card {{ border: 1px solid var(--jp-border-color2, #ddd); border-radius: 8px; padding: 10px 12px;
  background: var(--jp-layout-color1, white); }}
.labkit .labkit-title {{ font-weight: 600; font-size: 15px; line-height: 1.4; }}
.labkit .labkit-hint {{ color: var(--jp-ui-font-color2, {MUTED}); line-height: 1.4; white-space: pre-line; }}
.labkit label.labkit-label {{ display: block; line-height: 28px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; color: var(--jp-ui-font-color1, {INK}); }}
.labkit label.labkit-label[title] {{ cursor: help; }}
.labkit .labkit-fold:not(:has(> .widget-toggle-button.mod-active)) > .labkit-folded {{ display: none; }}
.labkit .labkit-fold > .widget-toggle-button {{ background: transparent; box-shadow: none; text-align: left;
  padding: 0 4px; font-weight: 500; width: 100%; color: var(--jp-ui-font-color1, {INK}); }}
.labkit .labkit-fold > .widget-toggle-button::before {{ content: "▸"; content: "▸" / ""; display: inline-block;
  width: 16px; }}
.labkit .labkit-fold > .widget-toggle-button.mod-active::before {{ content: "▾"; content: "▾" / ""; }}
.labkit :is(button, input, select, a, [role=slider]):focus-visible {{ outline-offset: 1px;
  outline: 2px solid var(--jp-brand-color1, {TRAIN}); }}
.labkit .labkit-atoms canvas {{ background-color: transparent !important; }}
body[data-jp-theme-light="false"] .labkit .labkit-error {{ color: #ffb4ab; background: #4a2320; }}
body[data-jp-theme-light="false"] .labkit .labkit-problem {{ color: #ffb4ab !important; }}
body[data-jp-theme-light="false"] .labkit .labkit-warning {{ color: #ffdf9e !important; }}
body[data-jp-theme-light="false"] .labkit .labkit-changed {{ color: #ffdf9e; background: #463a12; }}
.labkit .labkit-unit {{ color: var(--jp-ui-font-color2, {MUTED}); }}
.labkit .labkit-error {{ color: {BAD}; background: #fdecea; border-left: 3px solid {BAD}; padding: 5px 10px;
  border-radius: 4px; line-height: 1.4; white-space: pre-wrap; }}
.labkit .labkit-changed {{ color: #6b4a00; background: #fff4d6; border-left: 3px solid #d99a00; padding: 5px 10px;
  border-radius: 4px; line-height: 1.4; }}
.labkit .labkit-old {{ opacity: 0.55; }}
.labkit .labkit-number {{ align-items: center; }}
.labkit .labkit-number, .labkit .labkit-number .widget-slider {{ overflow: visible; }}
.labkit .labkit-number .widget-readout {{ display: none; }}
.labkit .labkit-number:has(.noUi-active) .widget-readout {{ display: block; position: absolute; top: 1px;
  left: calc(100% + 5px); width: 72px; line-height: 26px; text-align: left; padding-left: 8px; pointer-events: none;
  z-index: 1; background: var(--jp-layout-color1, white); }}
.labkit .labkit-wrong input {{ border-color: {BAD} !important; color: {BAD}; }}
.labkit .widget-button {{ border-radius: 6px; }}
.labkit pre.labkit-code {{ background: var(--jp-layout-color2, #f5f6f8); color: var(--jp-ui-font-color1, {INK});
  border-radius: 6px; padding: 10px 12px; margin: 4px 0; overflow-x: auto; user-select: all;
  font-size: 12px; line-height: 1.5; font-family: var(--jp-code-font-family, monospace); }}
.labkit a.labkit-link, .labkit a.labkit-save, .labkit button.labkit-link {{ display: inline-block;
  margin: 2px 8px 2px 0;
  padding: 3px 10px; border: 0; border-radius: 6px; background: var(--jp-layout-color2, #eef1f4);
  color: var(--jp-content-link-color, {TRAIN}); text-decoration: none; cursor: pointer; font-size: 12px; }}
.labkit table.labkit-table {{ border-collapse: collapse; margin: 4px 0 8px; line-height: 1.7; }}
.labkit table.labkit-table td, .labkit table.labkit-table th {{ padding: 2px 0 2px 9px; text-align: right;
  font-variant-numeric: tabular-nums; border: 0; font-weight: normal; }}
.labkit table.labkit-table th {{ color: var(--jp-ui-font-color2, {MUTED}); }}
.labkit table.labkit-table td:first-child, .labkit table.labkit-table th:first-child {{ text-align: left;
  padding-left: 0; }}
.labkit .labkit-unbroken {{ white-space: nowrap; }}
@media (max-width: 900px) {{ .labkit table.labkit-table :is(td, th) {{ padding-left: 5px; font-size: 12px; }} }}
.labkit .widget-html-content:has(> .labkit-table) {{ overflow-x: auto; }}
.labkit .labkit-run {{ display: grid; column-gap: 10px; line-height: 1.6; font-variant-numeric: tabular-nums;
  grid-template-columns: 30px minmax(150px, 2.4fr) 46px 50px 1.8fr minmax(136px, 1.1fr) minmax(100px, 1fr) 62px 52px;
  white-space: nowrap; }}
.labkit .labkit-run span {{ overflow: hidden; text-overflow: ellipsis; text-align: right; }}
.labkit .labkit-run span:nth-child(-n+2) {{ text-align: left; }}
.labkit .labkit-run.labkit-unit {{ padding-left: 30px; }}
</style>"""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of width × height inches (100 pixels per inch on screen), drawn by Agg, not managed by pyplot."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, xlabel: str, ylabel: str, title: str = "") -> Axes:
    """Give axes labkit's look; labels name quantity and unit, as in "energy [eV]"."""
    axes.set_xlabel(xlabel, fontsize=9, color=INK)
    axes.set_ylabel(ylabel, fontsize=9, color=INK)
    axes.set_title(title, fontsize=10, color=INK, loc="left", fontweight="bold")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=MUTED, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRID)
    return axes


def legend(axes: Axes, *artists: Any, **options: Any) -> Legend:
    """A legend in labkit's look; arguments are those of Axes.legend."""
    return axes.legend(*artists, **{"fontsize": 8, "frameon": False, "labelcolor": INK, **options})


def make_room(axes: Axes) -> None:
    """Raise the top of the axes, at most to about twice the height, until no line passes beneath the legend."""
    found = axes.get_legend()
    for _ in range(8):
        if found is None:
            return
        axes.figure.draw_without_rendering()
        box = found.get_window_extent()
        paths = [line.get_path().transformed(line.get_transform()) for line in axes.lines]
        if not any(len(path.vertices) and path.intersects_bbox(box, filled=False) for path in paths):
            return
        bottom, top = axes.get_ylim()
        log = axes.get_yscale() == "log"
        axes.set_ylim(top=top * (top / bottom) ** 0.1 if log else top + 0.1 * (top - bottom))


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """A logarithmic axis from `low` to `high` with plain numbers: every decade, or 1, 2, 5 if there are few decades."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def log_ticks_at(axis: Axis, ticks: Sequence[float], low: float, high: float) -> None:
    """A logarithmic axis from `low` to `high` with those of the `ticks` that lie on it, as plain numbers."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def notebook_image(figure: Figure, width: int = 760) -> NotebookPicture:
    """The figure as the last line of a cell, `width` pixels wide; its legends cover no line."""
    for axes in figure.axes:
        make_room(axes)
    return NotebookPicture(to_png(figure), width=width, alt=Plotted.of(figure).words())


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG."""
    buffer = io.BytesIO()
    # time matters more than bytes; the resolution is the one the figure has now, not that it was made with
    figure.savefig(buffer, format="png", dpi=figure.dpi, pil_kwargs={"compress_level": 1})
    return buffer.getvalue()
