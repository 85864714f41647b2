"""The script of the Polarizability panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.panels.kit.script import Script

if TYPE_CHECKING:
    from labkit.panels.polarizability.model import PolarizabilityModel


def polarizability_script(model: PolarizabilityModel) -> str:
    """Python that builds the design, fits, prints the learning curve and saves the model."""
    script = Script()
    script.use("labkit.polarizability", "TensorDesign", "learning_curve")
    script.frames("train", model.train, label="polarizability")
    script.frames("valid", model.valid, label="polarizability")
    chosen = ", ".join(f"{name}={value!r}" for name, value in model.settings().items())
    script.add("n = len(train)", f"design = TensorDesign.build(train + valid, {chosen})")
    script.add(f"noise = {{{', '.join(f'{degree}: {value!r}' for degree, value in model.noise().items())}}}")
    script.add("curve = learning_curve(design, noise, train=range(n), test=range(n, n + len(valid)))")
    script.add("print(curve)", "model = design.solve(noise, train=range(n))")
    script.add("values, spread = model.predict(valid)  # (frames, 3, 3) Å^3")
    script.add('model.save("polarizability.safetensors")')
    return script.text()
