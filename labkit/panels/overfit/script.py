"""The script of the Overfitting panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.panels.kit.script import Script
from labkit.panels.overfit.figure import SIGMAS

if TYPE_CHECKING:
    from labkit.panels.overfit.model import OverfitModel


def overfit_script(model: OverfitModel) -> str:
    """Python that builds the design, fits with the sigmas of the sliders, and sweeps the one moved last."""
    script, config = Script(), model.config()
    others = {name: getattr(config, name) for name in SIGMAS if name != model.swept}
    fixed = "".join(f", {name}={value!r}" for name, value in others.items() if value is not None)
    low, high = SIGMAS[model.swept]
    script.use("numpy", alias="np")
    script.use("labkit.gap", "Design")
    script.use("labkit.gap.sweep", "sweep")
    script.frames("train", model.train, model.frames)
    if model.noise:
        script.use("labkit.datasets.faults", "with_noise")
        script.add(f"train = with_noise(train, energy={model.noise / 1e3!r}, forces={20 * model.noise / 1e3!r})")
    if model.valid is not None:
        script.frames("valid", model.valid)
    script.add(f"config = {script.call(config)}")
    script.add(f"design = Design.build(train, config{', valid=valid' if model.valid is not None else ''})")
    script.add("print(design.errors(design.solve()))")
    script.add(f'print(sweep(design, "{model.swept}", np.geomspace({low:g}, {high:g}, 25){fixed}))')
    return script.text()
