"""The script that does what the LearningCurve panel does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.panels.kit.script import expression, source

if TYPE_CHECKING:
    from labkit.panels.learning.model import LearningModel


def learning_script(model: LearningModel) -> str:
    """Python that makes the curve, prints its summary and slope, and writes the table."""
    config = model.config()
    used = sorted({"GapConfig", *(type(d).__name__ for d in config.descriptors)})
    lines = ["import labkit", f"from labkit.gap import {', '.join(used)}"]
    lines += ["from labkit.gap.learning import LearningCurve", ""]
    lines += [f"train = {source(model.train, 'train', len(model.train))}"]
    lines += [f"valid = {source(model.valid, 'valid')}"] if model.valid is not None else []
    valid = ", valid" if model.valid is not None else ""
    lines += [f"config = {expression(config)}"]
    lines += [f"curve = LearningCurve.build(train, config{valid}, sizes={model.counts()}, repeats={model.repeats})"]
    lines += ["print(curve.summary())", *(["print(curve.law())"] if valid else [])]
    lines += ['open("learning_curve.csv", "w").write(curve.to_csv())']
    return "\n".join(lines) + "\n"
