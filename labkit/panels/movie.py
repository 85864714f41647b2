"""A film in a notebook that needs neither kernel nor network: an animated PNG."""

from __future__ import annotations

import io
from collections.abc import Iterable

from PIL import Image

from labkit.errors import LabkitError
from labkit.panels.kit.notebook_picture import NotebookPicture, ShownAsPicture

COLOURS = 64  # of all frames together: enough for discs and text, and a third of the bytes


class Movie(ShownAsPicture):
    """`Movie(pngs)` as the last line of a cell plays the frames, PNGs of one size.

    interval  ms between two frames
    loops     how often it plays before it rests at the last frame; 0: for ever
    width     pixels on the page; that of the frames if None
    alt       what it shows, for those who do not see it

    Raises LabkitError for no frames, and for frames of different sizes.
    """

    def __init__(
        self,
        frames: Iterable[bytes],
        *,
        interval: int = 80,
        loops: int = 5,
        width: int | None = None,
        alt: str = "",
    ) -> None:
        images = [Image.open(io.BytesIO(png)).convert("RGB") for png in frames]
        if not images:
            raise LabkitError("Movie: there are no frames; expected at least one")
        if len({image.size for image in images}) > 1:
            raise LabkitError(f"Movie: frames of {sorted({image.size for image in images})} pixels; expected one size")
        across, down = images[0].size
        typical = Image.new("RGB", (across, 3 * down))
        for k, image in enumerate((images[0], images[len(images) // 2], images[-1])):
            typical.paste(image, (0, k * down))
        palette = typical.quantize(COLOURS)
        first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
        buffer = io.BytesIO()
        options = {"save_all": True, "append_images": others, "duration": interval, "loop": loops}
        first.save(buffer, format="png", optimize=True, **options)
        self.data, self.width, self.frames = buffer.getvalue(), width or images[0].width, len(images)
        self.alt = alt or repr(self)

    def picture(self) -> NotebookPicture:
        return NotebookPicture(self.data, width=self.width, alt=self.alt)

    def __repr__(self) -> str:
        return f"Movie of {self.frames} frame{'s' if self.frames > 1 else ''}"
