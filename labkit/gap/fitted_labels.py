"""Which labels of a dataset a fit with gap_fit's settings uses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labkit.datasets import Dataset
from labkit.datasets.labels import symmetrised
from labkit.datasets.listed import listed
from labkit.datasets.placeholders import without_placeholders
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig
from labkit.gap.frame_noise import atom_columns
from labkit.gap.metrics import has_stress


def fitted_labels(frames: Dataset, config: GapConfig, what: str) -> tuple[Dataset, list[str]]:
    """The frames with NaN for labels that are not to be fitted, and notes for the user.

    Left out are placeholders, forces on atoms that the column `force_mask` marks, labels whose parameter name is
    'none', and stresses of open frames. Raises LabkitError for data that gap_fit would fit and labkit cannot.
    """
    _check_supported(frames, config)
    clean, notes = without_placeholders(frames)
    changed: dict[str, np.ndarray] = {}
    unused = {
        "energy": config.energy_key.lower() == "none",
        "forces": config.forces_key.lower() == "none",
        "stress": {config.virial_key.lower(), config.stress_key.lower()} == {"none"},
    }
    for name in (name for name, off in unused.items() if off):
        changed[name] = np.full(getattr(clean, name).shape, np.nan)
    masked = force_mask(frames, config)
    if masked.any():
        changed["forces"] = np.where(masked[:, None], np.nan, changed.get("forces", clean.forces))
        notes.append(f"forces of {int(masked.sum())} of {len(masked)} atoms are masked, and not fitted")
    stress = changed.get("stress", clean.stress)
    if np.isfinite(stress).any():
        given = np.isfinite(stress).any((1, 2))
        open_ = np.flatnonzero(given & ~np.array([has_stress(atoms) for atoms in frames.atoms]))
        stress = np.array(stress, dtype=float)
        if len(open_):
            stress[open_] = np.nan
            notes.append(f"{listed(open_)}: open, or without three lattice vectors, so their stresses are not fitted")
        skewed = symmetrised({"stress": stress, "polarizability": np.zeros((0, 3, 3))})
        notes += skewed
        if len(open_) or skewed:
            changed["stress"] = stress
    return replace(clean, **changed) if changed else clean, [f"{what} {note}" for note in notes]


def force_mask(frames: Dataset, config: GapConfig) -> np.ndarray:
    """Which atoms' forces the frames exclude, (n,)."""
    found = atom_columns(frames, config.parameter("force_mask_parameter_name"))
    sizes = frames.counts
    parts = [np.zeros(n, bool) if mask is None else np.asarray(mask).astype(bool) for mask, n in zip(found, sizes)]
    return np.concatenate([np.zeros(0, bool), *parts])


def _check_supported(frames: Dataset, config: GapConfig) -> None:
    column = config.parameter("local_property_parameter_name")
    hessian = f"n_{config.parameter('hessian_parameter_name')}"
    for k, (atoms, info) in enumerate(zip(frames.atoms, frames.info)):
        found = column if column in atoms.arrays else hessian if hessian in info else None
        if found is not None:
            raise LabkitError(
                f"{frames.name}, frame {k}: has {found}, which gap_fit would fit and labkit's own fit cannot; remove "
                "it, or use labkit.gap.quip.fit"
            )
