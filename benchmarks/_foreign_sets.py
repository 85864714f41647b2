"""Two public sets for gap_vs_gap_fit.py: several kinds of silicon, and a molecule tested above its temperature."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import ase.io
import numpy as np
import torch
from _bench import Row, compare
from scipy.stats import spearmanr

from labkit.active import GpVariance, Spread, Uncertainty, calibrate
from labkit.base import Evaluation, Potential, State
from labkit.datasets import Dataset
from labkit.gap import GapConfig, Soap
from labkit.gap.quip import QuipPotential


@dataclass(frozen=True)
class ForeignSet:
    """Frames to train on, to calibrate σ on, and to test on; the settings of both fits."""

    name: str
    train: Dataset
    held_out: Dataset
    test: Dataset
    config: GapConfig


def foreign_sets(folder: Path, small: bool) -> list[ForeignSet]:
    """Silicon (Zuo et al. 2020) and 3BPA (Kovács et al. 2021) from `folder`; a set that is not there is left out."""
    silicon = Soap(cutoff=5.0, n_max=6, l_max=6, atom_sigma=0.5, zeta=4, n_sparse=400)
    molecule = Soap(cutoff=4.0, n_max=5, l_max=4, atom_sigma=0.4, zeta=4, n_sparse=400)
    made = []
    for name, train, test, stride, shown, soap in (
        ("silicon", "silicon/mlearn_Si_training", "silicon/mlearn_Si_test", 5, 1, silicon),
        ("3BPA, 300 K to mixed T", "3bpa/train_300K", "3bpa/train_mixedT", 8, 5, molecule),
    ):
        files = [folder / f"{file}.xyz.xz" for file in (train, test)]
        if absent := [file.name for file in files if not file.is_file()]:
            print(f"{name}: left out, {folder} has no {', '.join(absent)}")
            continue
        config = GapConfig(soap, sigma_energy=0.001, sigma_force=0.05, sigma_virial=None)
        known, unknown = (read(file) for file in files)
        if small:
            config = config.replace(descriptors=(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=15),))
            stride, shown = len(known) // 6, len(unknown) // 5
        made.append(ForeignSet(name, known[::stride], known[stride // 2 :: stride], unknown[::shown], config))
    return made


def read(path: Path) -> Dataset:
    """The frames of a compressed extended XYZ file."""
    with lzma.open(path, "rt") as file:
        return Dataset.from_atoms(ase.io.read(StringIO(file.read()), ":", format="extxyz"), name=path.name)


class QuipVariance:
    """σ = √(Σ_i σ_i²) of QUIP's local_gap_variance, an uncertainty of energies."""

    def __init__(self, potential: QuipPotential) -> None:
        self.calculator = potential.calculator()

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        found = []
        for atoms in state.to_atoms():
            self.calculator.calculate(atoms, ["energy"], calc_args="local_gap_variance")
            found.append(self.calculator.extra_results["atoms"]["local_gap_variance"].sum())
        return Spread(torch.as_tensor(np.array(found)).clamp(min=0.0).sqrt(), "eV")


def compare_uncertainties(case: ForeignSet, ours: Potential, theirs: QuipPotential) -> list[Row]:
    """Spearman's ρ of |error| and σ, and by which factor σ is wrong (rms z or its inverse), as it is and calibrated."""
    found: dict[str, list[float]] = {}
    for potential, raw in ((ours, GpVariance(ours)), (theirs, QuipVariance(theirs))):
        calibrated = calibrate(raw, potential, case.held_out)
        for name, uncertainty in (("σ as it is", raw), ("σ calibrated on frames held out", calibrated)):
            error, sigma = errors_and_spreads(potential, uncertainty, case.test)
            z = float(np.sqrt(np.mean((error / sigma) ** 2)))
            print(f"{case.name}, {type(potential).__name__}, {name}: rms z {z:.2f}")
            found.setdefault(f"Spearman of |error| and {name}", []).append(spearmanr(np.abs(error), sigma).statistic)
            found.setdefault(f"factor by which {name} is off", []).append(max(z, 1 / z))
    return [
        compare(f"{name}, {case.name}", "1", [a], [b], "QUIP", better="more" if "Spearman" in name else "less")
        for name, (a, b) in found.items()
    ]


def errors_and_spreads(potential: Potential, uncertainty: Uncertainty, test: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Error and σ of each frame's energy, eV."""
    errors, spreads = [], []
    for k in range(len(test)):
        state = test.state([k])
        errors.append(float(potential.evaluate(state).energy) - test.energy[k])
        spreads.append(float(uncertainty(state).per_system))
    return np.array(errors), np.array(spreads)
