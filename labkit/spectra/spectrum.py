"""Spectrum: an intensity over wavenumbers, with its uncertainty from trajectories and from models."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import find_peaks

from labkit.errors import LabkitError
from labkit.files import atomic_write


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Spectra of R independent trajectories on one axis, and their mean.

    name        for legends
    unit        of the intensity
    frequency   (K,) cm⁻¹, from 0 to the largest that the sampling resolves
    samples     (R, K) of each trajectory (or each piece of one), by the mean of the models
    members     (M, K) of each model of a committee, averaged over trajectories; None for one model
    resolution  cm⁻¹, full width at half maximum of an infinitely sharp line

    >>> line = Spectrum("line", "cm", np.arange(5.0), np.array([[0, 1, 4, 1, 0], [0, 3, 4, 1, 0.0]]))
    >>> line.intensity.tolist(), line.error.tolist(), line.integral()
    ([0.0, 2.0, 4.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0], 7.0)
    """

    name: str
    unit: str
    frequency: np.ndarray
    samples: np.ndarray
    members: np.ndarray | None = None
    resolution: float = 0.0

    @property
    def intensity(self) -> np.ndarray:
        """The mean over trajectories (K,)."""
        return self.samples.mean(0)

    @property
    def error(self) -> np.ndarray | None:
        """Standard error of that mean (K,), √(Σ_r (s_r - s)² / R(R-1)); None for a single trajectory."""
        count = len(self.samples)
        return self.samples.std(0, ddof=1) / np.sqrt(count) if count > 1 else None

    @property
    def error_models(self) -> np.ndarray | None:
        """Standard deviation over the models of a committee (K,); None for one model."""
        return self.members.std(0, ddof=1) if self.members is not None and len(self.members) > 1 else None

    @property
    def error_total(self) -> np.ndarray | None:
        """Both errors combined as independent: √(error² + error_models²); None if neither is known."""
        known = [e for e in (self.error, self.error_models) if e is not None]
        return np.sqrt(np.square(known).sum(0)) if known else None

    def integral(self, low: float = 0.0, high: float = np.inf) -> float:
        """Area between two frequencies [cm⁻¹]; over the full axis it is exact: the mean square of the signal."""
        return float(self._areas(self.samples, low, high).mean())

    def integral_error(self, low: float = 0.0, high: float = np.inf) -> float:
        """Standard error of `integral` over the trajectories, and the models if there are several; nan for one."""
        found = self._areas(self.samples, low, high)
        parts = [found.var(ddof=1) / len(found)] if len(found) > 1 else []
        if self.error_models is not None:
            parts.append(self._areas(self.members, low, high).var(ddof=1))
        return float(np.sqrt(np.sum(parts))) if parts else float("nan")

    def _areas(self, values: np.ndarray, low: float, high: float) -> np.ndarray:
        inside = (self.frequency >= low) & (self.frequency <= high)
        if inside.sum() < 2:
            step = self.frequency[1] - self.frequency[0]
            raise LabkitError(
                f"{self.name}: fewer than two points lie between {low:g} and {high:g} cm⁻¹; the axis goes from 0 to "
                f"{self.frequency[-1]:.0f} in steps of {step:.2g} cm⁻¹"
            )
        return np.trapezoid(values[:, inside], self.frequency[inside], axis=1)

    def peaks(self, prominence: float = 0.02, low: float = 0.0, high: float = np.inf) -> pd.DataFrame:
        """Maxima that stand out by `prominence` of the highest one: columns frequency [cm⁻¹], intensity, error.

        Positions are those of the parabola through the three highest points.
        """
        intensity = np.nan_to_num(self.intensity)
        inside = (self.frequency >= low) & (self.frequency <= high)
        top = intensity[inside].max(initial=0.0)
        found = find_peaks(np.where(inside, intensity, 0.0), prominence=prominence * top)[0] if top > 0 else []
        k = np.asarray(found, dtype=int)
        left, middle, right = intensity[k - 1], intensity[k], intensity[k + 1]
        bend = 2 * middle - left - right
        shift = 0.5 * (right - left) / np.where(bend > 0, bend, np.inf)
        error = self.error_total
        return pd.DataFrame(
            {
                "frequency": self.frequency[k] + shift * (self.frequency[1] - self.frequency[0]),
                "intensity": middle + 0.25 * (right - left) * shift,
                "error": np.full(len(k), np.nan) if error is None else error[k],
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """A table over the frequency [cm⁻¹]: intensity, and the errors that are known."""
        columns = {"intensity": self.intensity}
        for name in ("error", "error_models", "error_total"):
            if getattr(self, name) is not None:
                columns[name] = getattr(self, name)
        return pd.DataFrame(columns, index=pd.Index(self.frequency, name="frequency_cm-1"))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table of `to_frame`, completely or not at all, below a line with name, unit and resolution."""
        head = f"# {self.name} [{self.unit}], resolution {self.resolution:.4g} cm⁻¹, {len(self.samples)} trajectories\n"
        atomic_write(path, head + self.to_frame().to_csv(float_format="%.9g", lineterminator="\n"))

    @staticmethod
    def pooled(spectra: Sequence[Spectrum]) -> Spectrum:
        """The trajectories of several runs as one spectrum; raises LabkitError if they are not of the same kind."""
        first, *rest = spectra
        for other in rest:
            same = len(other.frequency) == len(first.frequency) and np.allclose(other.frequency, first.frequency)
            if not same or other.unit != first.unit or (other.members is None) != (first.members is None):
                raise LabkitError(
                    f"{other.name} [{other.unit}, {len(other.frequency)} points, {other.resolution:.4g} cm⁻¹] cannot "
                    f"be pooled with {first.name} [{first.unit}, {len(first.frequency)} points, {first.resolution:.4g} "
                    "cm⁻¹]; make both with the same spacing, resolution and models"
                )
        members = None
        if first.members is not None:
            members = np.average([s.members for s in spectra], axis=0, weights=[len(s.samples) for s in spectra])
        samples = np.concatenate([s.samples for s in spectra])
        return Spectrum(first.name, first.unit, first.frequency, samples, members, first.resolution)

    def combined(self, name: str, unit: str, function: Callable[..., np.ndarray], *others: Spectrum) -> Spectrum:
        """`function` of this and other spectra of the same trajectories, as in `parallel = iso + 4/45 aniso`.

        If it is not linear (a ratio), samples are the jackknife's pseudo-values, whose mean and standard error are
        those of the function of means. Source: Miller, Biometrika 61, 1 (1974).
        """
        parts = [self, *others]
        count = len(self.samples)
        whole = function(*(part.intensity for part in parts))
        if count > 1:
            without = [(count * part.intensity - part.samples) / (count - 1) for part in parts]
            samples = count * whole - (count - 1) * function(*without)
        else:
            samples = whole[None]
        members = None if self.members is None else function(*(part.members for part in parts))
        return Spectrum(name, unit, self.frequency, samples, members, self.resolution)
