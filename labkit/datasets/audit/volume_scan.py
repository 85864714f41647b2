"""Stresses against energies of the same structure in cells of other sizes: no model is needed."""

from __future__ import annotations

import numpy as np
from scipy.linalg import logm

from labkit.datasets.audit.energy_ratio import Changes, Ratio
from labkit.datasets.dataset import Dataset

SAME = 1e-3  # difference of scaled positions
FURTHEST = 0.12  # strain between two cells of a scan
MOST = 500  # pairs


def volume_scan(dataset: Dataset, frames: np.ndarray, divided: bool) -> Ratio | None:
    """Work of the stress from one cell to the next over the change of energy, (V_a σ_a + V_b σ_b):ε/2 over ΔE.

    With `divided`, the labels are divided by the volume first, as virials are. None without cells that were scaled.
    """
    work, change = [], []
    for a, b in _pairs(dataset, frames)[:MOST]:
        one, other = dataset.atoms[a], dataset.atoms[b]
        strain = logm(np.linalg.solve(one.cell.array, other.cell.array)).real
        if not 1e-5 < np.abs(strain).max() < FURTHEST:
            continue
        volumes = np.ones(2) if divided else np.array([one.cell.volume, other.cell.volume])
        mean = 0.5 * (volumes[0] * dataset.stress[a] + volumes[1] * dataset.stress[b])
        work.append((mean * strain).sum())
        change.append(dataset.energy[b] - dataset.energy[a])
    count = np.ones(len(work))
    return Changes(np.array(work), np.array(change), count, "energies of cells of several sizes").ratio()


def _pairs(dataset: Dataset, frames: np.ndarray) -> list[tuple[int, int]]:
    """Frames of the same scaled positions, each with the next larger one."""
    groups: list[tuple[np.ndarray, np.ndarray, list[int]]] = []
    for k in frames.tolist():
        atoms = dataset.atoms[k]
        scaled = atoms.get_scaled_positions(wrap=False)
        for numbers, place, members in groups:
            if np.array_equal(numbers, atoms.numbers) and np.abs(scaled - place).max() < SAME:
                members.append(k)
                break
        else:
            if len(groups) < 50:
                groups.append((atoms.numbers, scaled, [k]))
    out = []
    for _, _, members in groups:
        by_size = sorted(members, key=lambda k: dataset.atoms[k].cell.volume)
        out += list(zip(by_size, by_size[1:]))
    return out
