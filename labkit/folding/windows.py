"""Free energy of folding from umbrella windows: MBAR, with an error from blocks of time."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.folding.frames import SCALE
from labkit.folding.variables import NativeContacts, Rmsd
from labkit.units import KB

FOLDED = 2.5  # Å, CA RMSD


@dataclass(frozen=True)
class FoldingFreeEnergy:
    """ΔG = -k_B T ln(p_folded/p_unfolded), in eV, with its standard error; and the folded population."""

    temperature: float
    value: float
    error: float
    folded: float
    frames: int

    def __str__(self) -> str:
        thermal = KB * self.temperature
        return (
            f"ΔG = {self.value / thermal:.2f} ± {self.error / thermal:.2f} kT, folded {100 * self.folded:.0f} % "
            f"({self.frames} frames, {self.temperature:g} K)"
        )


def log_weights(
    values: np.ndarray, places: np.ndarray, centres: np.ndarray, stiffness: float, beta: float
) -> np.ndarray:
    """ln w (N,) of frames with ξ `values` (N,) from windows `places` (N,) in the unbiased ensemble; Σ w = 1.

    Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008), by pymbar.
    """
    logging.getLogger("pymbar").setLevel(logging.ERROR)  # at each import it prints how it could be faster
    try:
        from pymbar import MBAR
    except ImportError as error:
        raise LabkitError('pymbar is not installed; run: pip install "labkit[folding]"') from error
    counts = np.bincount(places, minlength=len(centres))
    order = np.argsort(places, kind="stable")
    reduced = 0.5 * beta * stiffness * (values[None, order] - centres[:, None]) ** 2
    free = MBAR(reduced, counts, solver_protocol="robust").f_k
    weights = np.empty(len(values))
    weights[order] = -np.logaddexp.reduce(
        np.log(np.maximum(counts, 1))[:, None] + free[:, None] - reduced, axis=0, where=counts[:, None] > 0
    )
    return weights - np.logaddexp.reduce(weights)


def folding_free_energy(
    frames: np.ndarray, contacts: NativeContacts, reference: Tensor, centres: np.ndarray, stiffness: float,
    temperature: float, blocks: int = 5,
) -> FoldingFreeEnergy:  # fmt: skip
    """From records of one series (see `frames`), all windows at one temperature [K]; folded is a CA RMSD below FOLDED.

    The error is that of the mean over `blocks` parts of the time, with a separate MBAR for each.
    """
    beads = torch.from_numpy(frames["beads"][:, : len(reference)] * SCALE)
    values, near = contacts(beads).numpy(), (Rmsd(reference)(beads) < FOLDED).numpy()
    beta = 1 / (KB * temperature)

    def of(mask: np.ndarray) -> float:
        weights = log_weights(values[mask], frames["place"][mask], centres, stiffness, beta)
        folded = float(np.exp(weights[near[mask]]).sum())
        folded = min(max(folded, 1e-12), 1 - 1e-12)
        return -np.log(folded / (1 - folded)) / beta

    value = of(np.ones(len(frames), bool))
    steps = frames["step"]
    edges = np.quantile(steps, np.linspace(0, 1, blocks + 1))
    edges[-1] += 1
    parts = [of((steps >= a) & (steps < b)) for a, b in zip(edges, edges[1:], strict=False)]
    return FoldingFreeEnergy(
        temperature, value, float(np.std(parts, ddof=1) / blocks**0.5), 1 / (1 + np.exp(beta * value)), len(frames)
    )
