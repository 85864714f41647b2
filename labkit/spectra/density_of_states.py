"""The vibrational density of states from velocities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.base import System
from labkit.errors import LabkitError
from labkit.spectra.spectrum import Spectrum
from labkit.spectra.transform import density
from labkit.units import KB, KINETIC

_DRIFT = 1e-3  # fraction of the kinetic energy below which the centre of mass counts as at rest


@dataclass(frozen=True, eq=False)
class DensityOfStates:
    """Modes per cm⁻¹: of all atoms, and of each element or type of beads, by name; these add up to the total."""

    total: Spectrum
    species: dict[str, Spectrum]


def density_of_states(
    velocities: Any,
    system: System,
    spacing: float,
    *,
    temperature: float | None = None,
    resting: int | None = None,
    **options: Any,
) -> DensityOfStates:
    """g(ν) = 2c/(k_BT) ∫ Σ_i m_i <v_i(0)·v_i(t)> e^(-iωt) dt, whose integral is the number of degrees of freedom.

    In a classical harmonic system each mode has the area 1 (equipartition). No quantum correction is applied.

    velocities   (T, n, 3) Å/fs of the n atoms of a batch, whose systems are the trajectories
    system       of that batch: replicas of one system, with masses and species
    spacing      fs between samples
    temperature  K of the k_BT. None: each trajectory's own kinetic temperature with 3N - `resting` degrees of freedom,
                 so that the integral is that number
    resting      degrees of freedom that do not move; None: 3 if the centres of mass are at rest, 0 if one moves, as
                 with a thermostat (`labkit.engine.without_com_motion` stops it), in an external field, or if
                 atoms are held; N counts the free ones
    options      resolution, window, padding, highest, blocks of `labkit.spectra.density`

    Raises LabkitError for velocities that are missing, of the wrong shape, zero or not finite, for a batch of different
    systems, and as `infrared` does. Source: Dickey and Paskin, Phys. Rev. 188, 1407 (1969).

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> swing = np.cos(2 * np.pi * np.arange(4000) / 33.356)  # 1000 cm⁻¹, sampled every fs
    >>> velocities = swing[:, None, None] * np.random.default_rng(0).normal(size=(3, 3))
    >>> found = density_of_states(velocities, State.from_atoms(molecule("H2O")).system, 1.0)
    >>> round(float(found.total.peaks().frequency[0])), round(found.total.integral(), 6), list(found.species)
    (1000, 9.0, ['H', 'O'])
    """
    if velocities is None:
        raise LabkitError("there are no velocities; record them with Response(velocities=True)")
    values = np.asarray(velocities, dtype=float)
    if values.ndim != 3 or values.shape[1:] != (system.n_atoms, 3):
        raise LabkitError(f"velocities have the shape {values.shape}; expected (T, {system.n_atoms}, 3)")
    lost = np.argwhere(~np.isfinite(values))
    if len(lost):
        raise LabkitError(f"velocities: those of atom {lost[0][1]} in sample {lost[0][0]} are not finite")
    names, kinds = list(system.of_kinds), np.zeros(system.n_atoms, int)
    for k, atoms in enumerate(system.of_kinds.values()):
        kinds[atoms.cpu().numpy()] = k
    index, trajectories = system.index.cpu().numpy(), system.n_systems
    group = index * len(names) + kinds
    made_of = np.bincount(group, minlength=trajectories * len(names)).reshape(trajectories, -1)
    if (made_of != made_of[0]).any():
        other = int(np.argmax((made_of != made_of[0]).any(1)))
        raise LabkitError(f"system {other} of the batch has other atoms than system 0; give replicas of one system")
    held = system.held_counts.cpu().numpy()
    if (held != held[0]).any():
        other = int(np.argmax(held != held[0]))
        raise LabkitError(
            f"system {other} of the batch has {held[other]} held atoms, system 0 has {held[0]}; give replicas of one "
            "system"
        )
    masses = system.free_masses.cpu().numpy().astype(float)
    if resting is None and held[0]:
        resting = 0  # momentum is not conserved
    if resting is None:
        resting = 3 if _at_rest(values, masses, index) else 0
    weighted = values * np.sqrt(KINETIC * masses)[:, None]
    found = density(weighted.reshape(len(values), -1), np.repeat(group, 3), spacing, centred=False, **options)
    parts = found.values.reshape(-1, len(names), len(found.frequency))  # (R, species, K)
    if temperature is None:
        area = np.trapezoid(parts.sum(1), found.frequency, axis=1)
        if not (area > 0).all():
            raise LabkitError(
                "no atom moves: all velocities are zero; start from maxwell_boltzmann(state, temperature)"
            )
        width = (area / (3 * (made_of[0].sum() - held[0]) - resting))[:, None, None]
    elif temperature > 0:
        width = KB * temperature
    else:
        raise LabkitError(f"temperature is {temperature!r} K; expected a positive number, or None")
    parts = parts / width

    def made(name: str, samples: np.ndarray) -> Spectrum:
        return Spectrum(name, "cm", found.frequency, samples, None, found.resolution)

    species = {symbol: made(f"density of states, {symbol}", parts[:, k]) for k, symbol in enumerate(names)}
    return DensityOfStates(made("density of states", parts.sum(1)), species)


def _at_rest(velocities: np.ndarray, masses: np.ndarray, index: np.ndarray) -> bool:
    """Whether all centres of mass are at rest, in the first and the last sample."""
    shares = []
    for sample in (0, -1):
        moving = masses[:, None] * velocities[sample]
        momentum = np.stack([np.bincount(index, axis) for axis in moving.T], 1)  # (R, 3)
        twice_kinetic = np.bincount(index, (moving * velocities[sample]).sum(1))
        shares.append((momentum**2).sum(1) / np.bincount(index, masses) / np.maximum(twice_kinetic, 1e-300))
    return bool(np.max(shares) < _DRIFT)
