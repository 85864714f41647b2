"""One noise varied over decades: errors of both sets and the marginal likelihood, from one design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from labkit.base import NO_PROGRESS, Progress
from labkit.errors import LabkitError, Stopped, suggest
from labkit.gap.design import Design

SIGMAS = ("sigma_energy", "sigma_force", "sigma_virial")


def sweep(
    design: Design, name: str, values: Sequence[float], *, progress: Progress = NO_PROGRESS, **fixed: float
) -> pd.DataFrame:
    """Fit with each value of the sigma called `name`, the others `fixed` or as in the design's config.

    Rows: the values, in their order. Columns: RMSE as (set, quantity) in the units of Design.errors, and
    ("log evidence", "") = log p(y | sigmas), which needs no validation frames: it weighs how well a model explains the
    labels against how many other labels it could have explained.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> design = Design.build(labkit.datasets.ice("train", n=50)[:4], GapConfig(Soap(n_max=3, l_max=2, n_sparse=20)))
    >>> sweep(design, "sigma_energy", [0.001, 0.1]).index.tolist()
    [0.001, 0.1]
    """
    if name not in SIGMAS:
        raise LabkitError(f"no sigma called {name!r}; expected one of {', '.join(SIGMAS)}{suggest(name, SIGMAS)}")
    rows = []
    for step, value in enumerate(values):
        if progress.should_stop():
            raise Stopped(partial=_frame(name, values[:step], rows) if rows else None)
        model = design.solve(**{**fixed, name: float(value)})
        rows.append({**design.errors(model)["rmse"].to_dict(), ("log evidence", ""): model.log_evidence})
        progress.update(step + 1, len(values))
    return _frame(name, values, rows)


def _frame(name: str, values: Sequence[float], rows: list[dict]) -> pd.DataFrame:
    index = pd.Index(np.asarray(values, dtype=float), name=name)
    return pd.DataFrame(rows, index=index, columns=pd.MultiIndex.from_tuples(rows[0]))
