"""A picture as the last line of a cell: with words for those who do not see it, and dark in a dark theme."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from IPython.display import Image

DARK = """<style>body[data-jp-theme-light="false"] img.labkit-plot { filter: invert(0.87) hue-rotate(180deg); }
img.labkit-plot { border-radius: 6px; }</style>"""


class NotebookPicture(Image):
    """The picture `png`, `width` pixels wide, with the text `alt`.

    JupyterLab shows neither an alternative text nor a theme with a bare PNG, so that the cell gets HTML.
    """

    def __init__(self, png: bytes, *, width: int, alt: str) -> None:
        super().__init__(png, format="png", width=width, alt=alt)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": as_html(self.data, self.width, self.alt), "text/plain": self.alt}

    def _repr_png_(self) -> None:
        """Not as well: it would be stored twice."""


class ShownAsPicture:
    """Base class of what a notebook shows as a picture; a subclass defines `picture`."""

    def picture(self) -> NotebookPicture:
        raise NotImplementedError

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.picture()._repr_mimebundle_() | {"text/plain": repr(self)}


def as_html(png: bytes, width: int, alt: str) -> str:
    content = base64.b64encode(png).decode()
    image = f'<img class="labkit-plot" width="{width}" alt="{escape(alt)}" src="data:image/png;base64,{content}">'
    return DARK + image
