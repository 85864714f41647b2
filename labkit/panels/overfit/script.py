"""The script that does what the Overfitting panel does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.panels.kit.script import expression, source

if TYPE_CHECKING:
    from labkit.panels.overfit.model import OverfitModel


def overfit_script(model: OverfitModel) -> str:
    """Python that builds the design, fits with the sigmas of the sliders, and sweeps the one moved last."""
    config = model.config()
    used = sorted({"Design", "GapConfig", *(type(d).__name__ for d in config.descriptors)})
    others = {name: getattr(config, name) for name in ("sigma_energy", "sigma_force") if name != model.swept}
    fixed = "".join(f", {name}={value:.4g}" for name, value in others.items() if value is not None)
    low, high = (-5, 0) if model.swept == "sigma_energy" else (-4, 1)
    lines = ["import numpy as np", "", "import labkit"]
    lines += ["from labkit.datasets.faults import with_noise"] if model.noise else []
    lines += [f"from labkit.gap import {', '.join(used)}", "from labkit.gap.sweep import sweep", ""]
    lines += [f"train = {source(model.train, 'train', model.frames)}"]
    if model.noise:
        lines += [f"train = with_noise(train, energy={model.noise / 1e3:.4g}, forces={model.noise / 50:.4g})"]
    lines += [f"valid = {source(model.valid, 'valid')}"] if model.valid is not None else []
    lines += [f"config = {expression(config)}"]
    lines += [f"design = Design.build(train, config{', valid=valid' if model.valid is not None else ''})"]
    lines += ["print(design.errors(design.solve()))"]
    lines += [f'print(sweep(design, "{model.swept}", np.geomspace(1e{low}, 1e{high}, 25){fixed}))']
    return "\n".join(lines) + "\n"
