"""A tensor design split into training and validation frames: a fit and its errors for any regularization."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from labkit.base import NO_PROGRESS, Progress
from labkit.polarizability.design import TensorDesign
from labkit.polarizability.labels import Frames
from labkit.polarizability.learning import errors, halves, learning_curve
from labkit.polarizability.model import TensorModel

NOISES = np.geomspace(1e-10, 1e-1, 19)  # of the curves of errors over regularization


@dataclass(frozen=True, eq=False)
class TensorFit:
    """One regularization: the model, its predictions for the V validation frames, and its learning curve.

    noise   {λ: regularization}
    values  (V, 3, 3) Å^3
    spread  their standard deviation, or None while it has not been computed
    errors  of the validation frames, as `polarizability.errors`
    curve   as `polarizability.learning_curve`
    seconds that solving and predicting took
    """

    noise: Mapping[int, float]
    model: TensorModel
    values: np.ndarray
    spread: np.ndarray | None
    errors: pd.Series
    curve: pd.DataFrame
    seconds: float

    def parity(self, truth: np.ndarray) -> pd.DataFrame:
        """A row for each validation frame and component: label, prediction, spread."""
        names = [name for name in self.errors.index if isinstance(name, str)]
        where = pd.MultiIndex.from_product([range(len(truth)), names], names=["frame", "component"])
        table = pd.DataFrame({"label": truth.ravel(), "predicted": self.values.ravel()}, index=where)
        return table if self.spread is None else table.assign(spread=self.spread.ravel())


class SplitDesign:
    """A design of training and validation frames, with errors over the regularization of each λ.

    truth  (V, 3, 3) labels of the validation frames
    sweep  RMSE over NOISES, columns (set, λ)
    """

    def __init__(self, design: TensorDesign, n_train: int) -> None:
        self.design, self.train = design, range(n_train)
        self.valid = range(n_train, len(design.atoms))
        self.truth = design.truth(self.valid)
        self.sizes = halves(n_train)
        self.sweep = self._sweep()

    @classmethod
    def build(
        cls, train: Frames, valid: Frames, settings: Mapping[str, Any], progress: Progress = NO_PROGRESS
    ) -> SplitDesign:
        return cls(TensorDesign.build(train + valid, progress=progress, **settings), len(train))

    def fit(self, noise: Mapping[int, float]) -> TensorFit:
        """Solve and predict, without the spread."""
        start = time.perf_counter()
        curve = learning_curve(self.design, noise, train=self.train, test=self.valid, sizes=self.sizes)
        model = self.design.solve(noise, train=self.train)
        values = self.design.predictions(model, self.valid)
        found = errors(self.truth, values)
        return TensorFit(dict(noise), model, values, None, found, curve, time.perf_counter() - start)

    def with_spread(self, fit: TensorFit) -> TensorFit:
        return replace(fit, spread=fit.model.predict([self.design.atoms[k] for k in self.valid]).spread)

    def _sweep(self) -> pd.DataFrame:
        sets = {"train": self.train, "valid": self.valid}
        truth = {name: self.design.truth(which) for name, which in sets.items()}
        rows = {}
        for noise in NOISES:
            model = self.design.solve(float(noise), train=self.train)
            found = {name: errors(truth[name], self.design.predictions(model, sets[name])) for name in sets}
            rows[float(noise)] = {(name, degree): found[name][degree] for degree in (0, 2) for name in sets}
        return pd.DataFrame(rows).T.rename_axis("regularization")
