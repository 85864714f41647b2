"""Errors of tensors, by component and by λ, and how they decrease as frames are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch

from labkit.base import NO_PROGRESS, Progress
from labkit.errors import LabkitError, Stopped
from labkit.polarizability.design import TensorDesign
from labkit.polarizability.target import Target, as_target

SMALLEST = 8  # frames, the fewest of a learning curve


def components(target: str | Target) -> list[str]:
    """Names of the Cartesian components, in order.

    >>> components("polarizability")
    ['xx', 'xy', 'xz', 'yx', 'yy', 'yz', 'zx', 'zy', 'zz']
    """
    target = as_target(target)
    return ["".join(axes) or target.name for axes in product("xyz", repeat=target.rank)]


def errors(truth: np.ndarray, found: np.ndarray, target: str | Target = "polarizability") -> pd.Series:
    """Root mean square errors of each component, and for each λ the length of the error of its part.

    Σ_λ error_λ² = Σ_components error²; `noise_map` has the same length for frames left out.

    >>> truth, found = np.zeros((1, 3, 3)), np.diag([0.3, 0.3, 0.3])[None]
    >>> errors(truth, found)[["xx", "xy", 0, 2]].round(3).to_dict()
    {'xx': 0.3, 'xy': 0.0, 0: 0.52, 2: 0.0}
    """
    target = as_target(target)
    off = np.asarray(found, dtype=float) - np.asarray(truth, dtype=float)
    if off.shape[1:] != target.shape or not len(off):
        expected = ", ".join(["n", *map(str, target.shape)])
        raise LabkitError(f"values of {target.name} have the shape {off.shape}, expected ({expected})")
    by_component = np.sqrt((off**2).mean(0)).ravel()
    parts = target.to_spherical(torch.as_tensor(off))
    by_part = [float(part.square().sum(1).mean().sqrt()) for part in parts.values()]
    return pd.Series([*by_component, *by_part], index=[*components(target), *parts])


def halves(frames: int) -> list[int]:
    """Sizes of a learning curve: all frames, half of them, a quarter, ..., ascending.

    >>> halves(200), halves(66)
    ([12, 25, 50, 100, 200], [8, 16, 33, 66])
    """
    sizes = [frames]
    while sizes[0] // 2 >= SMALLEST:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def learning_curve(
    design: TensorDesign,
    regularization: float | Mapping[int, float],
    *,
    train: Sequence[int],
    test: Sequence[int],
    sizes: Sequence[int] | None = None,
    progress: Progress = NO_PROGRESS,
) -> pd.DataFrame:
    """Errors of the frames `test` by models of the first 12, 25, ... of the frames `train`; columns as in `errors`.

    No descriptor is computed: every size is another solution of the design. Raises LabkitError for
    invalid sizes, Stopped on request.
    """
    train = list(train)
    sizes = halves(len(train)) if sizes is None else sorted(set(sizes))
    if not sizes or not 1 <= sizes[0] <= sizes[-1] <= len(train):
        raise LabkitError(f"sizes are {list(sizes)}, expected numbers from 1 to {len(train)}, the training frames")
    truth, rows = design.truth(test), {}
    for step, size in enumerate(sizes, 1):
        if progress.should_stop():
            raise Stopped("stopped while making a learning curve")
        model = design.solve(regularization, train=train[:size])
        rows[size] = errors(truth, design.predictions(model, test), design.target)
        progress.update(step, len(sizes))
    return pd.DataFrame(rows).T.rename_axis("frames")
