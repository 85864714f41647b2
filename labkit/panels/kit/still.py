"""Stills: what a card leaves in its notebook, readable without a kernel and without a network."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING

from IPython.display import display
from PIL import Image

from labkit.panels.kit.changes import in_words
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.plotted import PER_INCH
from labkit.panels.kit.style import DPI, MUTED

if TYPE_CHECKING:
    from labkit.panels.kit.model import PanelModel

AGAIN = "Saved picture. To use the panel, run this cell again."
WIDEST = 1110  # pixels of a saved picture; one drawn for a finer screen is made smaller
COLOURS = 128  # of a saved picture: a quarter of the bytes, and no difference to the eye

# KEY is the card's. The still is hidden while its card lives, and the card that has lost its kernel is hidden.
CSS = """<style>
.labkit-saved { max-width: 1080px; font-size: 13px; line-height: 1.4; border: 1px solid #cccccc; border-radius: 8px;
  padding: 10px 12px; }
.labkit-saved p { margin: 4px 0 !important; white-space: pre-line; }
.labkit-saved .labkit-faint { color: MUTED; }
.labkit-saved img { background: white; border-radius: 6px; max-width: 100%; }
body[data-jp-theme-light="false"] .labkit-saved { border-color: #555555; }
body[data-jp-theme-light="false"] .labkit-saved img:not(.labkit-paper) { filter: invert(0.87) hue-rotate(180deg); }
.labkit.jupyter-widgets-disconnected { display: none !important; }
body:has(.labkit-live-KEY:not(.jupyter-widgets-disconnected)) .labkit-saved-KEY { display: none; }
.jp-OutputArea-child:has(+ .jp-OutputArea-child .labkit-saved-KEY) > .jp-OutputArea-output:not(:has(*)) {
  display: none; }
</style>""".replace("MUTED", MUTED)


class StillOutput:
    """The output beside a card: `parts()` as HTML.

    It names the card by `key`, which the card's class `labkit-live-KEY` repeats.
    """

    def __init__(self, key: str, parts: Callable[[], Iterable[str]]) -> None:
        self.key, self._parts = key, parts
        self.shown, self.drawn_at = False, 0.0

    def show(self) -> None:
        """Display it in the cell that is running."""
        self.shown = True
        self.update(update=False)

    def update(self, *, update: bool = True) -> None:
        """Bring it up to date, in all cells that show it."""
        self.drawn_at = time.monotonic()
        if self.shown:
            display({"text/html": self.text(), "text/plain": AGAIN}, raw=True, display_id=self.key, update=update)

    def text(self) -> str:
        """The HTML, complete in itself."""
        body = "".join(part for part in [faint(AGAIN), *self._parts()] if part)
        return CSS.replace("KEY", self.key) + f"<div class='labkit-saved labkit-saved-{self.key}'>{body}</div>"


def heading(text: str) -> str:
    return f"<p><b>{escape(text)}</b></p>" if text else ""


def words(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def faint(text: str) -> str:
    return f"<p class='labkit-faint'>{escape(text)}</p>" if text else ""


def picture(png: bytes, alt: str, *, paper: bool = False) -> str:
    """An image in the text itself, with few colours, in its size on the screen; on `paper`, white in a dark theme."""
    if not png:
        return ""
    small, width = few_colours(png)
    content, shown = base64.b64encode(small).decode(), PER_INCH * width // DPI
    kind = " class='labkit-paper'" if paper else ""
    return f"<img{kind} alt='{escape(alt)}' style='width: {shown:.0f}px' src='data:image/png;base64,{content}'>"


def few_colours(png: bytes) -> tuple[bytes, int]:
    """A PNG with a palette, which is much smaller, and its width in pixels, at most WIDEST."""
    drawn, buffer = Image.open(io.BytesIO(png)).convert("RGBA"), io.BytesIO()
    found = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    if found.width > WIDEST:
        found = found.resize((WIDEST, round(found.height * WIDEST / found.width)), Image.Resampling.LANCZOS)
    how = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1, "dither": Image.Dither.NONE}  # rare colours are kept
    found.quantize(COLOURS, **how).save(buffer, format="png", optimize=True)
    return buffer.getvalue(), found.width


def settings_of(model: PanelModel) -> str:
    """The parameters that have controls in one line, as in "cutoff 4 Å · n_max 4"."""
    names = [name for group in model.visible_groups() for name in parameters(model, group)]
    tags = {name: model.traits()[name].metadata for name in names}
    return " · ".join(f"{tags[name]['label']} {in_words(getattr(model, name), tags[name]['unit'])}" for name in names)
