"""The script that does what the Train panel does."""

from __future__ import annotations

from labkit.base.expression import expression
from labkit.datasets import Dataset, ice
from labkit.errors import LabkitError
from labkit.gap import GapConfig


def script(train: Dataset, frames: int, valid: Dataset | None, config: GapConfig) -> str:
    """Python that loads the data where it is shipped, fits, prints the errors and saves the model."""
    used = sorted({"Design", "GapConfig", *(type(d).__name__ for d in config.descriptors)})
    lines = ["import labkit", f"from labkit.gap import {', '.join(used)}", ""]
    lines += [f"train = {source(train, 'train', frames)}"]
    lines += [f"valid = {source(valid, 'valid')}"] if valid is not None else []
    lines += [f"config = {expression(config)}"]
    lines += [f"design = Design.build(train, config{', valid=valid' if valid is not None else ''})"]
    lines += ["model = design.solve()", "print(design.errors(model))", 'model.save("gap.safetensors")']
    return "\n".join(lines) + "\n"


def source(frames: Dataset, what: str, n: int | None = None) -> str:
    """Code for a set of frames: shipped ones are recognised by their content."""
    name = frames.name.removeprefix("ice ")
    if name != frames.name:
        try:
            if ice(name, len(frames)).hash == frames.hash:
                count = n or len(frames)
                return f'labkit.datasets.ice("{name}", n={count})'
        except LabkitError:
            pass  # no shipped set after all
    return f'{what}{f"[:{n}]" if n else ""}  # your own frames: as in labkit.load("mine.xyz")'
