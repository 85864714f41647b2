"""Harmonic Boltzmann samples along the normal modes of a structure."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from labkit.errors import LabkitError
from labkit.spectra import NormalModes
from labkit.units import FORCE_TO_ACCELERATION, KB, WAVENUMBER


def harmonic_samples(
    modes: NormalModes, temperature: float, n: int, seed: int = 0, lowest: float = 106.0
) -> list[Atoms]:
    """Draw `n` frames of the classical harmonic Boltzmann distribution at `temperature` [K].

    Each amplitude Q is normal with variance k_B T/ω². Modes softer than `lowest` [cm^-1], also imaginary ones, are
    given that frequency: the harmonic approximation fails there, and the structure need not be a minimum of the method.

    >>> harmonic_samples(modes, 300.0, 25)[0].info["sample"]  # doctest: +SKIP
    0
    """
    if temperature <= 0 or n < 1:
        raise LabkitError(f"temperature {temperature} K and n {n}: expected both above 0")
    angular = 2 * np.pi * WAVENUMBER * np.maximum(modes.frequency, lowest)  # rad/fs
    random = np.random.default_rng(seed)
    width = np.sqrt(KB * temperature * FORCE_TO_ACCELERATION) / angular
    amplitudes = random.standard_normal((n, len(angular))) * width
    minimum = modes.state.to_atoms()[0]
    frames = []
    for i, displacement in enumerate(np.einsum("fk,kia->fia", amplitudes, modes.displacements)):
        frame = Atoms(minimum.numbers, minimum.positions + displacement, cell=minimum.cell, pbc=minimum.pbc)
        frame.info = {"sample": i, "temperature": temperature, "seed": seed}
        frames.append(frame)
    return frames
