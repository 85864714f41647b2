"""Figures show all of what they draw: no legend over a curve."""

import numpy as np
import pytest

from labkit.panels.kit.style import dress, legend, make_room, new_figure
from tests.panels.seen import covered


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("place", ["best", "upper left", "upper right"])
def test_room_is_made_for_a_legend(scale, place):
    axes = dress(new_figure(6, 3).add_subplot(), "x", "y")
    x = np.linspace(0, 20, 400)
    for k in range(4):
        axes.plot(x, 10 ** (1.5 + np.sin(x + k)), label=f"a curve with a long name {k}")
    axes.set_yscale(scale)
    legend(axes, loc=place)
    assert covered(axes)
    bottom = axes.get_ylim()[0]
    make_room(axes)
    assert not covered(axes) and axes.get_ylim()[0] == bottom


def test_without_need_nothing_changes():
    axes = dress(new_figure(6, 3).add_subplot(), "x", "y")
    axes.plot([0, 1], [0, 1], label="line")
    legend(axes)
    before = axes.get_ylim()
    make_room(axes)
    assert axes.get_ylim() == before
