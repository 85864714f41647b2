"""The ratio of labels to what they should be, with its error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FEWEST = 8  # pairs of frames from which a ratio is taken
PARTS = 10  # of a set, left out in turn


def with_error(value: float, error: float) -> str:
    """A value with its standard error, of which one figure is shown: two if it begins with 1.

    >>> with_error(0.0368241, 0.00022), with_error(1561.3, 73.0), with_error(1.0, 0.0151)
    ('0.0368 ± 0.0002', '1560 ± 70', '1.000 ± 0.015')
    """
    if not (np.isfinite(error) and error > 0):
        return f"{value:.4g}"
    power = int(np.floor(np.log10(error)))
    power -= error / 10.0**power < 1.95
    rounded = (round(x / 10.0**power) * 10.0**power for x in (value, error))
    return " ± ".join(f"{x:.{max(-power, 0)}f}" for x in rounded)


class Ratio(NamedTuple):
    """Labels over what they should be, such as changes of energy over those that the forces give.

    error     standard error of ln(value)
    pairs     of frames, or numbers, that were compared
    by        what they were compared with; energies with 'neighbours', 'any two' (frames of the same atoms and cell)
              or 'model' (all frames of the same atoms), stresses in words
    per_atom  whether labels times the number of atoms fit better, in a set of frames of several sizes
    """

    value: float
    error: float
    pairs: int
    by: str
    per_atom: bool = False

    def __str__(self) -> str:
        return with_error(*self.measured)

    @property
    def measured(self) -> tuple[float, float]:
        """The value and its standard error."""
        return self.value, abs(self.value) * self.error


class Changes(NamedTuple):
    """Changes of energy between frames, in labels and from forces, over their errors; atoms of the frames."""

    labelled: np.ndarray
    implied: np.ndarray
    counts: np.ndarray
    by: str

    def ratio(self, common: float = 0.0) -> Ratio | None:
        """The reduced major axis, sign(xy) (yy/xx)^1/2.

        The true ratio lies between the regression of one on the other and its reverse, xy/xx and yy/xy; half of ln of
        their ratio is one part of the error, the other is the scatter when parts of the set are left out. A share
        `common` of what scatters, (1 - xy²/xx yy)^1/2, may have the same sign in all frames, which no scatter shows.
        """
        known = np.isfinite(self.labelled) & np.isfinite(self.implied)
        x, y = self.implied[known], self.labelled[known]
        x, y = _clipped(x), _clipped(y)
        if len(x) < FEWEST:
            return None
        part = np.arange(len(x)) * PARTS // len(x)
        sums = np.array([[(u * v)[part == p].sum() for u, v in ((x, x), (x, y), (y, y))] for p in range(PARTS)])
        xx, xy, yy = sums.sum(0)
        if min(xx, yy) <= 0 or xy == 0:
            return None
        value = np.sign(xy) * np.sqrt(yy / xx)
        rest = np.maximum(sums.sum(0) - sums, 1e-300)
        scatter = 0.5 * np.log(rest[:, 2] / rest[:, 0])
        count = len(scatter)
        jackknife = np.sqrt((count - 1) / count * ((scatter - scatter.mean()) ** 2).sum())
        explained = min(xy**2 / (xx * yy), 1.0)
        error = np.sqrt(jackknife**2 + (0.5 * np.log(explained)) ** 2 + common**2 * (1 - explained))
        return Ratio(float(value), float(error), len(x), self.by)


def _clipped(values: np.ndarray) -> np.ndarray:
    """Changes beyond 6 robust standard deviations, made smaller: single wrong energies are another finding."""
    most = 6 * 1.4826 * np.median(np.abs(values)) if len(values) else 0.0
    return np.clip(values, -most, most) if most > 0 else values
