"""What the Polarizability panel says of a fit in numbers, and the script that does the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labkit.datasets import Dataset, ice
from labkit.errors import LabkitError
from labkit.panels.kit import html
from labkit.polarizability import with_label
from labkit.polarizability.labels import Frames
from labkit.polarizability.split_design import SplitDesign, TensorFit

SHOWN = ("xx", "yy", "zz", "xy", "xz", "yz")


def table_of(fit: TensorFit, scene: SplitDesign) -> str:
    """RMSE and mean spread by component, and by λ the length of the error, as HTML."""
    rmse = [f"{fit.errors[name]:.3f}" for name in (*SHOWN, 0, 2)]
    rows = [["RMSE [Å³]", *rmse]]
    if fit.spread is not None:
        spread = np.sqrt((fit.spread**2).mean(0)).ravel()
        by_name = dict(zip(fit.errors.index, spread, strict=False))
        rows.append(["spread [Å³]", *(f"{by_name[name]:.3f}" for name in SHOWN), "", ""])
    head = [f"{len(scene.truth)} frames", *SHOWN, "λ = 0", "λ = 2"]
    words = f"{len(scene.sizes)} fits, to {', '.join(map(str, scene.sizes))} frames: {1e3 * fit.seconds:.0f} ms in all"
    return html.table(head, rows) + html.hint(words)


def tensor_script(train: Frames, valid: Frames, settings: Mapping[str, Any], noise: Mapping[int, float]) -> str:
    """Python that builds the design, fits, tells the errors and saves the model."""
    chosen = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    lines = ["import labkit", "from labkit.polarizability import TensorDesign, learning_curve, with_label", ""]
    lines += [f"train = {source(train, 'train')}", f"valid = {source(valid, 'valid')}", "n = len(train)"]
    lines += [f"design = TensorDesign.build(train + valid, {chosen})"]
    lines += [f"noise = {{{', '.join(f'{degree}: {value:.4g}' for degree, value in noise.items())}}}"]
    lines += ["curve = learning_curve(design, noise, train=range(n), test=range(n, n + len(valid)))"]
    lines += ["print(curve)", "model = design.solve(noise, train=range(n))"]
    lines += ["values, spread = model.predict(valid)  # (frames, 3, 3) Å^3", 'model.save("polarizability.safetensors")']
    return "\n".join(lines) + "\n"


def source(frames: Frames, what: str) -> str:
    """Code for a set of frames: shipped ones are recognised by their content."""
    name = frames.name.removeprefix("ice ").split(" ")[0].split("[")[0] if isinstance(frames, Dataset) else ""
    try:
        if name and with_label(ice(name), "polarizability").hash == frames.hash:
            return f'with_label(labkit.datasets.ice("{name}"), "polarizability")'
    except LabkitError:
        pass  # no shipped set after all
    return f'{what}  # your own frames: as in labkit.load("mine.xyz")'
