"""Curves are never told apart by colour alone."""

from hypothesis import given, settings
from hypothesis import strategies as st
from panels.told_apart import alike

from labkit.panels.kit.series import series
from labkit.panels.kit.style import dress, new_figure

NUMBERS = st.lists(st.integers(0, 63), min_size=2, max_size=8, unique=True)


@given(NUMBERS)
def test_any_of_the_first_64_differ(numbers: list[int]) -> None:
    looks = [series(k) for k in numbers]
    assert len({(look.colour, repr(look.dashes)) for look in looks}) == len(looks)
    assert len({(look.colour, look.marker) for look in looks}) == len(looks)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.sampled_from(["line", "dots", "joined", "marked", "reference"]))
def test_eight_curves_are_told_apart_without_colours(count: int, way: str) -> None:
    axes = dress(new_figure(3, 2).add_subplot(), "x", "y")
    for k in range(count):
        axes.plot([0, 1], [k, k], label=str(k), **getattr(series(k, "#000000"), way)())
    assert alike(axes.figure) == []


def test_curves_that_look_alike_are_found() -> None:
    axes = dress(new_figure(3, 2).add_subplot(), "x", "y", "Two")
    for name, colour in (("blue", "blue"), ("red", "red")):
        axes.plot([0, 1], [0, 1], color=colour, label=name)
    assert alike(axes.figure) == ["Two: blue and red"]
    axes.lines[1].set(linestyle="--")
    assert alike(axes.figure) == []
    for _ in range(2):
        axes.axhline(0.5, color="grey", linestyle="--")
    assert len(alike(axes.figure)) == 1


def test_a_reference_is_not_its_series() -> None:
    axes = dress(new_figure(3, 2).add_subplot(), "x", "y")
    for k in range(3):
        for way in ("marked", "reference"):
            axes.plot([0, 1], [k, k], label=f"{way} {k}", **getattr(series(k), way)())
    assert alike(axes.figure) == []
