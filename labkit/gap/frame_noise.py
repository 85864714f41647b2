"""The noise of each label as gap_fit finds it: sigmas of kinds of frames, frames, atoms and components."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig

#: label, its place in gap_fit's lists of sigmas, and what the key of a frame's own sigma begins with
LABELS = (("energy", 0, "energy"), ("forces", 1, "force"), ("stress", 2, "virial"))


def noise_ratios(frames: Dataset, config: GapConfig) -> dict[str, np.ndarray]:
    """Noise over the sigma of the settings: of energies (S,), forces (n, 3) and stresses (S,).

    The sigmas of energies and virials are multiplied by sqrt(atoms), unless sigma_per_atom=F. The frame's
    config_type selects sigmas from config_type_sigma. A frame's own `energy_sigma`, `force_sigma` and `virial_sigma`
    refer to the frame as a whole and come before these, columns `force_atom_sigma` (n,) and `force_component_sigma`
    (n, 3) before `force_sigma`. Names are those of sigma_parameter_name and config_type_parameter_name.

    Raises LabkitError for a sigma that is not positive, naming frame and key.
    """
    name, kinds = config.parameter("sigma_parameter_name"), config_types(frames, config)
    sigmas = (config.sigma_energy, config.sigma_force, config.sigma_virial)
    of_kinds = config.config_type_sigmas
    root = np.sqrt(frames.counts) if config.flag("sigma_per_atom") else np.ones(len(frames))
    ratios = {}
    for label, place, begin in LABELS:
        sigma, values = sigmas[place], np.ones(len(frames))
        if sigma:
            listed = of_kinds.get("default")
            values *= 1.0 if listed is None else listed[place] / sigma
            for k, kind in enumerate(kinds):
                if kind in of_kinds:
                    values[k] = of_kinds[kind][place] / sigma
            values *= 1.0 if label == "forces" else root
            key = f"{begin}_{name}"
            for k, info in enumerate(frames.info):
                if info.get(key) is not None:
                    values[k] = _one(frames, k, key, info[key]) / sigma
            _check_used(frames, label, values, kinds)
        ratios[label] = values
    ratios["forces"] = _of_atoms(frames, name, config.sigma_force, ratios["forces"])
    return ratios


def noise_digest(frames: Dataset, config: GapConfig) -> str:
    """A hash of what the frames say of their noise, which a Dataset's own hash leaves out."""
    found = hashlib.sha256()
    for name, ratios in sorted(noise_ratios(frames, config).items()):
        found.update(f"{name} {ratios.shape}".encode() + np.ascontiguousarray(ratios, "<f8").tobytes())
    return found.hexdigest()


def config_types(frames: Dataset, config: GapConfig) -> list[str]:
    """The kind of each frame, as gap_fit groups them; "default" where none is given."""
    key = config.parameter("config_type_parameter_name")
    return [str(info.get(key, "default")).strip() for info in frames.info]


def atom_columns(frames: Dataset, name: str) -> list[np.ndarray | None]:
    """A column of each frame's atoms, None where there is none."""
    return [atoms.arrays.get(name) for atoms in frames.atoms]


def _of_atoms(frames: Dataset, name: str, sigma: float | None, of_frames: np.ndarray) -> np.ndarray:
    ratios = np.repeat(of_frames, frames.counts)[:, None].repeat(3, axis=1)
    if not sigma:
        return ratios
    for key in (f"force_atom_{name}", f"force_component_{name}"):
        for k, column in enumerate(atom_columns(frames, key)):
            if column is not None:
                span = slice(frames.offsets[k], frames.offsets[k + 1])
                ratios[span] = np.reshape(_positive(frames, k, key, column), (len(column), -1)) / sigma
    return ratios


def _one(frames: Dataset, k: int, key: str, value: Any) -> float:
    found = _positive(frames, k, key, value)
    if found.size != 1:
        raise LabkitError(f"{frames.name}, frame {k}: {key} has {found.size} numbers, expected one")
    return float(found.ravel()[0])


def _positive(frames: Dataset, k: int, key: str, value: Any) -> np.ndarray:
    """The sigma as floats, of one value or of the atoms of frame k."""
    try:
        found = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    wrong = ~((found > 0) & np.isfinite(found))
    if wrong.any():
        atom = f", atom {int(np.argwhere(wrong)[0][0])}" if found.ndim else ""
        shown = found[wrong][0] if found.ndim else value
        raise LabkitError(f"{frames.name}, frame {k}{atom}: {key} is {shown!r}, expected a positive number")
    return found


def _check_used(frames: Dataset, label: str, ratios: np.ndarray, kinds: Sequence[str]) -> None:
    known = np.isfinite(getattr(frames, label)).reshape(len(getattr(frames, label)), -1).any(1)
    if label == "forces":
        known = np.bincount(np.repeat(np.arange(len(frames)), frames.counts), known, len(frames)) > 0
    wrong = np.flatnonzero(known & ~(ratios > 0))
    if len(wrong):
        k = int(wrong[0])
        raise LabkitError(
            f"{frames.name}, frame {k}: config_type_sigma gives frames of kind {kinds[k]!r} a sigma of 0 for {label}, "
            "which they have; give a number above 0"
        )
