"""What of a figure is cut off by the edge of its axes, or lies beneath its legend."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def cut_off(figure: Figure) -> list[tuple[float, float]]:
    """Data points whose marker crosses the left or the right edge of its axes."""
    figure.draw_without_rendering()
    found = []
    for axes in figure.axes:
        box = axes.get_window_extent()
        for line in axes.lines:
            if line.get_marker() in ("None", "", " ", None) or not line.get_clip_on() or not len(line.get_xdata()):
                continue
            radius = line.get_markersize() / 2 * figure.dpi / 72
            at = line.get_transform().transform(np.column_stack(line.get_data()).astype(float))
            edges = np.abs(at[:, :1] - [box.x0, box.x1]).min(1)
            found += [tuple(xy) for xy in np.column_stack(line.get_data())[edges < radius].tolist()]
    return found


def covered(axes: Axes) -> bool:
    """Whether a line passes beneath the legend."""
    axes.figure.draw_without_rendering()
    box = axes.get_legend().get_window_extent()
    return any(
        line.get_path().transformed(line.get_transform()).intersects_bbox(box, filled=False) for line in axes.lines
    )
