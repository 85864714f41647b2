"""GAP of ice: labkit against gap_fit and QUIP, on the shipped frames with the same settings.

Fits by gap_fit take minutes, so they are done once; `--full` alternates 5 of them with labkit's. With `--data FOLDER`
the sets are silicon/ and 3bpa/ in that folder instead of ice, with the uncertainties of both.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _bench import Row, alternate, compare, installed, parser, report
from _foreign_sets import compare_uncertainties, foreign_sets
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.verlet import VelocityVerlet

from labkit.datasets import Dataset, ice
from labkit.gap import Design, GapConfig, GapModel, Soap, errors
from labkit.gap.quip import QuipPotential, fit

os.environ["OMP_NUM_THREADS"] = "1"  # of gap_fit and QUIP; torch's threads are set below

N8 = GapConfig(Soap(cutoff=4.0, n_max=8, l_max=6, zeta=4, n_sparse=1000), sigma_virial=None)
N4 = GapConfig(Soap(cutoff=5.0, n_max=4, l_max=6, zeta=2, n_sparse=1000), sigma_virial=None)
SMALL = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, zeta=4, n_sparse=25), sigma_virial=None)
_FOLDER = tempfile.TemporaryDirectory()
SIGMAS = [(energy, force) for energy in (2e-4, 5e-4, 1e-3, 2e-3, 5e-3) for force in (0.01, 0.02, 0.05, 0.1)]


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=200, choices=[50, 100, 200, 400], help="training frames")
    options.add_argument("--steps-only", action="store_true", help="only the steps of dynamics, on models of 50 frames")
    options.add_argument(
        "--data", type=Path, help="a folder with silicon/ and 3bpa/, public sets to use instead of ice"
    )
    arguments = options.parse_args()
    train, valid = ice("train", n=50 if arguments.steps_only else arguments.frames), ice("valid")
    rows: list[Row] = []
    if not installed("gap_fit", "quippy"):
        report(rows, arguments)
        return
    if arguments.data:
        for case in foreign_sets(arguments.data, arguments.small):
            ours, theirs, fits = compare_fits(
                case.train, case.test, 5 if arguments.full else 1, case.config, case.name, goal=1.0
            )
            rows += fits + compare_uncertainties(case, ours, theirs)
        report(rows, arguments)
        return
    print("silicon and 3BPA are left out; give their folder as --data FOLDER")
    if arguments.small:
        _, _, rows = compare_fits(train[:8], valid[:4], 1, SMALL)
        report(rows, arguments)
        return
    if arguments.steps_only:
        ours, theirs = labkit_fit(train, N8, threads=1)[0], gap_fit(train, N8)[0]
    else:
        ours, theirs, fits = compare_fits(train, valid, 5 if arguments.full else 1)
        rows += fits
    rows += compare_steps("n8 l6 cutoff 4 zeta 4", ours, theirs, valid)
    small = ice("train", n=min(len(train), 100))  # the cost of a step hardly depends on the number of frames
    rows += compare_steps("n4 l6 cutoff 5 zeta 2", labkit_fit(small, N4, 1)[0], gap_fit(small, N4)[0], valid)
    report(rows, arguments)


def compare_fits(
    train: Dataset, valid: Dataset, runs: int, config: GapConfig = N8, of: str = "ice", goal: float = 1 / 1.05
) -> tuple[GapModel, QuipPotential, list[Row]]:
    """Accuracy, time of a fit, time of a sweep over sigmas; and a model from each."""
    labkit_fit(train[:2], config, 1)  # one-time compilation and tables are not timed
    best = os.cpu_count() or 1
    times: dict[str, list[float]] = {"one": [], "best": [], "sweep": [], "peer": []}
    for _ in range(runs):
        ours, took = labkit_fit(train, config, 1)
        times["one"].append(took)
        times["best"].append(labkit_fit(train, config, best)[1])
        times["sweep"].append(labkit_fit(train, config, 1, SIGMAS)[1])
        theirs, took = gap_fit(train, config)
        times["peer"].append(took)
    torch.set_num_threads(1)
    mine, peers = errors(ours, valid), errors(theirs, valid)
    soap = config.descriptors[0]
    name = f"n{soap.n_max} l{soap.l_max} cutoff {soap.cutoff:g} zeta {soap.zeta}, {len(train)} frames of {of}"
    rows = []
    for quantity in ("energy", "forces"):
        both = [[frame.xs(quantity, level="quantity").iloc[0]["rmse"]] for frame in (mine, peers)]
        unit = mine.xs(quantity, level="quantity").iloc[0]["unit"]
        rows.append(compare(f"RMSE of {quantity}, validation, {name}", unit, *both, "gap_fit", goal=goal))
    same, at_best = f"fit, {name}, 1 thread each", f"fit, {name}, labkit {best} threads"
    rows.append(compare(same, "s", times["one"], times["peer"], "gap_fit", 5))
    rows.append(compare(at_best, "s", times["best"], times["peer"], "gap_fit, 1 thread", 5))
    twenty = [len(SIGMAS) * t for t in times["peer"]]
    peer = f"{len(SIGMAS)} times one gap_fit"
    rows.append(compare(f"sweep of {len(SIGMAS)} sigma pairs, {name}, 1 thread", "s", times["sweep"], twenty, peer, 50))
    return ours, theirs, rows


def labkit_fit(
    train: Dataset, config: GapConfig, threads: int, sigmas: list[tuple[float, float]] | None = None
) -> tuple[GapModel, float]:
    """A model (the last one of a sweep) and the seconds that the design and all solutions took."""
    torch.set_num_threads(threads)
    began = time.perf_counter()
    design = Design.build(train, config)
    for energy, force in sigmas or [(config.sigma_energy, config.sigma_force)]:
        model = design.solve(sigma_energy=energy, sigma_force=force)
    return model, time.perf_counter() - began


def gap_fit(train: Dataset, config: GapConfig) -> tuple[QuipPotential, float]:
    """A model from gap_fit and the seconds that its process took."""
    folder = tempfile.mkdtemp(dir=_FOLDER.name)  # QUIP reads the model's files again for each calculator
    model = fit(train, config, folder)
    return model, model.made_by["seconds"]


def compare_steps(name: str, ours: GapModel, theirs: QuipPotential, valid: Dataset) -> list[Row]:
    """Seconds of a step of dynamics (ASE's velocity Verlet) of 12 and of 96 atoms."""
    torch.set_num_threads(1)
    rows = []
    for repeat, steps in ((1, 20), (2, 5)):
        atoms = valid.atoms[0].repeat(repeat)
        dynamics = [mover(atoms, model.calculator(), steps) for model in (ours, theirs)]
        for move in dynamics:
            move()  # the first steps build lists and compile
        mine, peers = (([t / steps * 1e3 for t in times]) for times in alternate(*dynamics, runs=7))
        rows.append(compare(f"MD step, {len(atoms)} atoms, {name}, 1 thread", "ms", mine, peers, "quippy", 5))
    return rows


def mover(atoms: Atoms, calculator: Calculator, steps: int) -> Callable[[], object]:
    """A function that runs some steps of 0.5 fs at 300 K, each time from where it stopped."""
    atoms = atoms.copy()
    atoms.calc = calculator
    thermal = np.sqrt(units.kB * 300 / atoms.get_masses())[:, None]
    atoms.set_velocities(thermal * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    return lambda: dynamics.run(steps)


if __name__ == "__main__":
    main()
