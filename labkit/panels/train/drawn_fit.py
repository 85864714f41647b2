"""A fit that a notebook shows as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labkit.gap.incremental_fit import IncrementalFit, incremental_fits
from labkit.panels.kit.notebook_picture import NotebookPicture, ShownAsPicture
from labkit.panels.kit.plotted import Plotted
from labkit.panels.kit.style import to_png
from labkit.panels.train.figure import parity_figure


class DrawnFit(ShownAsPicture, IncrementalFit):
    """An IncrementalFit whose representation in a notebook is its parity plot and learning curve."""

    def picture(self) -> NotebookPicture:
        figure = parity_figure(self, self.n_frames)
        png = to_png(figure)
        return NotebookPicture(png, width=700, alt=Plotted.of(figure).words())


def drawn_fits(*data: Any, **options: Any) -> Iterator[DrawnFit]:
    """As `incremental_fits`."""
    for fit in incremental_fits(*data, **options):
        yield DrawnFit(**vars(fit))
