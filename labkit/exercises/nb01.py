"""Expected answers of notebook 01_train_a_potential."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.exercises.catalogue import exercise
from labkit.exercises.expected import Expected
from labkit.gap import Design

TIE = 1.01  # times the smallest error: a difference of less than 1 % decides nothing
LIKELY = 2.0  # below the largest log evidence: less than a factor of ten in probability
SIGMAS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 2.0)  # eV/Å, of exercises 01.4 and 01.5


@exercise("01.1", "How many labels the fit sees")
def labels(train: Dataset) -> Expected:
    """Energies and force components: S + 3 n for S frames with n atoms in total."""
    frames, atoms = len(train), int(train.offsets[-1])
    mistakes = {
        3 * atoms: "Those are the force components; each frame has an energy, too.",
        frames: "That is what remains without forces: one energy for each frame.",
        frames + atoms: "A force has three components, and each of them is a label.",
        frames + 3 * atoms // frames: "Each frame has its own forces: count them for all frames.",
        1 + 3 * atoms // frames: "That is one frame; count all training frames.",
        frames * 7 + 3 * atoms: "You have counted the stresses, too; leave them out here.",
        frames * 10 + 3 * atoms: "You have counted the stresses, too; leave them out here.",
    }
    why = f"For each energy there are {3 * atoms // frames} force components: most of the labels are forces."
    return Expected(frames + 3 * atoms, mistakes=mistakes, why=why)


@exercise("01.2", "What forces are worth")
def without_forces(without: Design, design: Design) -> Expected:
    """RMSE of the validation forces of `without`, divided by that of `design`."""
    if without.config.sigma_force is not None:
        raise LabkitError("`without` was built with forces; build it with settings.replace(sigma_force=None)")
    bad, good = (one.errors(one.solve())["rmse"] for one in (without, design))
    ratio = {key: bad[key] / good[key] for key in good.index if key in bad.index}
    right = ratio["valid", "forces"]
    mistakes = {
        1 / right: "Upside down: the error without forces is the larger one; divide it by the other.",
        ratio["valid", "energy"]: "That is the ratio for the energies; give that for the forces.",
        bad["valid", "forces"]: "That is the error without forces; divide it by the error with forces.",
        bad["valid", "forces"] - good["valid", "forces"]: "That is the difference; give the ratio.",
        bad["valid", "forces"] / good["train", "forces"]: "Divide by the error of validation, not training frames.",
    }
    why = f"For the energies it is {ratio['valid', 'energy']:.1f}: a model is worst at what it was not trained on."
    return Expected(right, rel=0.02, mistakes=mistakes, why=why)


@exercise("01.3", "A cutoff that is large enough", unit="Å")
def cutoff(by_cutoff: Mapping[float, float]) -> Expected:
    """The smallest cutoff whose error is at most 5 % above the smallest error in {cutoff [Å]: RMSE [meV/Å]}."""
    errors = {float(radius): float(error) for radius, error in dict(by_cutoff).items()}
    if len(errors) < 4 or min(errors) > 2.5 or max(errors) < 5.0 or not np.isfinite(list(errors.values())).all():
        found = ", ".join(f"{radius:g}" for radius in errors)
        raise LabkitError(f"by_cutoff has the cutoffs {found}; expected the errors of at least four from 2.5 to 5 Å")
    best = min(errors, key=errors.__getitem__)
    right = min(radius for radius, error in errors.items() if error <= 1.05 * errors[best])
    worst = max(errors, key=errors.__getitem__)
    mistakes = {
        errors[right]: "That is the error; give the cutoff it belongs to.",
        errors[best]: "That is an error; give a cutoff.",
        worst: "That cutoff has the largest error.",
    }
    if best != right:
        mistakes[best] = "That one has the smallest error, but a smaller cutoff is within 5 % of it, and cheaper."
    why = "Larger ones include more neighbours, as the third power of the radius, for less than 5 %."
    return Expected(right, rel=1e-6, mistakes=mistakes, among=sorted(errors), why=why)


@exercise("01.4", "The best sigma by validation", unit="eV/Å")
def sigma(no_stress: Design) -> Expected:
    """The one of SIGMAS with the smallest RMSE of the validation forces, or one within 1 % of that.

    sigma_energy is a fortieth of it.
    """
    train, valid, _ = _scan(no_stress)
    best = SIGMAS[int(np.argmin(valid))]
    ties = [sigma for sigma, error in zip(SIGMAS, valid) if error <= TIE * min(valid)]
    mistakes = {
        SIGMAS[int(np.argmin(train))]: "That one is best for the training frames; new frames are what counts.",
        min(valid): "That is the error; give the sigma_force it belongs to.",
        best / 40: "That is sigma_energy; give sigma_force.",
        SIGMAS[int(np.argmax(valid))]: "That one has the largest error.",
    }
    names = " and ".join(f"{sigma:g}" for sigma in ties)
    why = (
        f"Within 1 % of the smallest error: {names} eV/Å. At {SIGMAS[0]:g} eV/Å the error is "
        f"{valid[0] / min(valid):.2f} times as large, at {SIGMAS[-1]:g} eV/Å, where the forces hardly count, "
        f"{valid[-1] / min(valid):.1f} times."
    )
    return Expected(best, rel=1e-6, mistakes=mistakes, among=SIGMAS, why=why, ties=ties)


@exercise("01.5", "The best sigma by evidence", unit="eV/Å", optional=True)
def evidence(no_stress: Design) -> Expected:
    """The one of SIGMAS with the largest log marginal likelihood, or one that is nearly as probable."""
    _, valid, evidences = _scan(no_stress)
    best, by_validation = SIGMAS[int(np.argmax(evidences))], SIGMAS[int(np.argmin(valid))]
    mistakes = {
        max(evidences): "That is the log evidence; give the sigma_force it belongs to.",
        SIGMAS[int(np.argmin(evidences))]: "That one has the smallest log evidence; the most probable has the largest.",
        by_validation: "That is the choice by validation; the log evidence prefers another one.",
    }
    why = (
        f"Validation chose {by_validation:g} eV/Å; the evidence needed only the training frames, and its choice has a "
        f"validation error {valid[SIGMAS.index(best)] / min(valid):.2f} times as large."
    )
    ties = [sigma for sigma, found in zip(SIGMAS, evidences) if found >= max(evidences) - LIKELY]
    mistakes = {k: v for k, v in mistakes.items() if k != best}
    return Expected(best, rel=1e-6, mistakes=mistakes, among=SIGMAS, why=why, ties=ties)


def _scan(design: Design) -> tuple[list[float], list[float], list[float]]:
    """RMSE of training and validation forces [meV/Å] and log evidence for all SIGMAS."""
    if design.config.sigma_virial is not None or design.config.sigma_force is None:
        raise LabkitError("`no_stress` must be built with forces and settings.replace(sigma_virial=None)")
    models = [design.solve(sigma_energy=sigma / 40, sigma_force=sigma) for sigma in SIGMAS]
    errors = [design.errors(model)["rmse"] for model in models]
    train, valid = ([float(error[name, "forces"]) for error in errors] for name in ("train", "valid"))
    return train, valid, [model.log_evidence for model in models]
