"""What holds for every picture that a test of a panel draws."""

from collections.abc import Iterator

import pytest
from matplotlib.figure import Figure
from panels.told_apart import alike

from labkit.panels.kit.live_figure import LiveFigure


@pytest.fixture(autouse=True)
def curves_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No two curves look alike, or differ by colour alone, in any figure drawn during the test, of any panel."""
    found: set[str] = set()
    save, live = Figure.savefig, LiveFigure.png

    def savefig(figure: Figure, *args, **options):
        found.update(alike(figure))
        return save(figure, *args, **options)

    def png(figure: LiveFigure) -> bytes:
        found.update(alike(figure.figure))
        return live(figure)

    monkeypatch.setattr(Figure, "savefig", savefig)
    monkeypatch.setattr(LiveFigure, "png", png)
    yield
    assert sorted(found) == []
