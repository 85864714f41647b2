"""The data audit on planted faults: ice (PBE), ethanol (GFN2-xTB dynamics), copper and copper-gold (EMT dynamics).

Sets of 50 to 300 frames in the order of their trajectories or shuffled, half of them with noise, get one fault each, or
none. A fault counts as found where the report names it: a shift with its number (of frames, and of its sign; a shift
that wraps around may be named in the opposite direction), a unit, a sign, a frame. A clean set counts as correct if the
report has no problem. Dynamics take some minutes; `--quick` uses fewer sets of shorter dynamics.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _bench import Row, parser, report
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from labkit.base import AsePotential, Evaluation, Observer, State
from labkit.datasets import Dataset, ice
from labkit.datasets.audit import Report, audit
from labkit.engine import Langevin, maxwell_boltzmann, simulate
from labkit.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL, RYDBERG

GOAL = 0.95  # 19 of 20
UNITS = {
    "Hartree/bohr": HARTREE / BOHR,
    "Ry/bohr": RYDBERG / BOHR,
    "kcal/mol/Å": KCAL_PER_MOL,
    "kJ/mol/Å": KJ_PER_MOL,
    "eV/bohr": 1 / BOHR,
}
SYSTEMS = {"Hartree": (HARTREE, HARTREE / BOHR), "kcal/mol": (KCAL_PER_MOL, KCAL_PER_MOL)}


@dataclass(frozen=True)
class Chemistry:
    """Trajectories, and the stride between frames (1: every step of dynamics)."""

    name: str
    trajectories: list[Dataset]
    strides: tuple[int, ...]
    every_step: bool = True


@dataclass(frozen=True)
class Case:
    """A set with (or without) a fault, and whether a report names it."""

    dataset: Dataset
    found: Callable[[Report], bool]


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="4 sets a fault, shorter dynamics")
    options.add_argument("--sets", type=int, default=20, help="sets for each fault and chemistry")
    arguments = options.parse_args()
    sets, steps = (4, 1500) if arguments.quick else (1 if arguments.small else arguments.sets, 8000)
    rows: list[Row] = []
    for chemistry in islice(chemistries(steps), 1 if arguments.small else None):  # the first needs no dynamics
        seconds: list[float] = []
        faults = (*FAULTS.items(), *(EVERY_STEP.items() if chemistry.every_step else ()))
        for name, plant in faults[::4] if arguments.small else faults:
            rows.append(measure(chemistry, name, plant, sets, seconds))
            print(f"{rows[-1].name}: {rows[-1].labkit:g} of {sets}", flush=True)
        took = np.quantile(seconds, [0.25, 0.5, 0.75])
        rows.append(budget(f"{chemistry.name}: a report of 50 to 300 frames", took, 60.0, len(seconds)))
    many = 50 if arguments.small else 500 if arguments.quick else 3000
    rows.append(large(chemistry.trajectories[0], many))
    report(rows, arguments)


def measure(chemistry: Chemistry, name: str, plant: Callable, sets: int, seconds: list[float]) -> Row:
    """How many of these sets are judged correctly."""
    right = 0
    for k in range(sets):
        random = np.random.default_rng([sum(map(ord, chemistry.name + name)), k])
        case = plant(chemistry, random, k)
        began = time.perf_counter()
        report = audit(case.dataset)
        seconds.append(time.perf_counter() - began)
        right += (good := case.found(report))
        if not good:
            print(f"  {chemistry.name}, {name}, set {k}, {len(case.dataset)} frames: missed\n{report}", flush=True)
    share = right / sets
    return Row(f"{chemistry.name}: {name}", "sets", right, sets, "planted", share, share, share, GOAL, sets)


def budget(name: str, took: np.ndarray, most: float, runs: int) -> Row:
    """Seconds compared with a budget."""
    ratios = most / took
    return Row(name, "s", float(took[1]), most, "budget", ratios[1], ratios[2], ratios[0], 1.0, runs)


def large(trajectory: Dataset, frames: int) -> Row:
    """Seconds of a report of thousands of frames."""
    took = []
    many = trajectory[np.linspace(0, len(trajectory) - 1, frames).astype(int)]
    for _ in range(3):
        began = time.perf_counter()
        audit(many)
        took.append(time.perf_counter() - began)
    quartiles = np.quantile(took, [0.25, 0.5, 0.75])
    return budget(f"a report of {frames} frames of {many.counts[0]} atoms", quartiles, 60.0, 3)


def chemistries(steps: int) -> Iterator[Chemistry]:
    """The chemistries, made one after another."""
    frames = ice("train") + ice("valid")
    order = sorted(range(len(frames)), key=lambda k: (frames.info[k]["trajectory"], frames.info[k]["sample"]))
    yield Chemistry("ice", [frames[order]], (1,), every_step=False)
    yield Chemistry("ethanol", [ethanol(T, steps, seed) for seed, T in enumerate((300.0, 500.0))], (10, 20))
    yield Chemistry("metal", [metal(T, steps, gold) for T, gold in ((300.0, 0), (800.0, 0), (600.0, 8))], (5, 10, 20))


def ethanol(temperature: float, steps: int, seed: int = 0) -> Dataset:
    """Langevin dynamics on GFN2-xTB, every step of 0.5 fs."""
    from tblite.ase import TBLite

    atoms = molecule("CH3CH2OH")
    return dynamics(atoms, TBLite(method="GFN2-xTB", verbosity=0), temperature, 0.5, steps, seed, "ethanol")


def metal(temperature: float, steps: int, gold: int = 0) -> Dataset:
    """Langevin dynamics on EMT of 32 atoms of copper, some of them gold, every step of 1 fs."""
    atoms = bulk("Cu", cubic=True, a=3.75 if gold else None).repeat(2)
    atoms.symbols[np.random.default_rng(0).permutation(len(atoms))[:gold]] = "Au"
    return dynamics(atoms, EMT(), temperature, 1.0, steps, gold, "copper-gold" if gold else "copper")


def dynamics(
    atoms: Atoms, calculator: Calculator, temperature: float, dt: float, steps: int, seed: int, name: str
) -> Dataset:
    """Every step (temperature K, dt fs) after 500 of equilibration."""
    state = maxwell_boltzmann(State.from_atoms(atoms, seed=seed), temperature)
    potential, langevin = AsePotential(calculator), Langevin(temperature, friction=0.01)
    state, kept = simulate(state, potential, langevin, 500, dt), Steps()
    simulate(state, potential, langevin, steps, dt, observers=[kept])
    positions, forces, energy = (np.stack(part)[-steps:] for part in zip(*kept.steps))
    frames = dict(energy=energy, forces=forces.reshape(-1, 3), name=name)
    return Dataset.from_arrays(positions, atoms.numbers, cell=atoms.cell.array, pbc=atoms.pbc, **frames)


class Steps(Observer):
    """Positions, forces and energy of every step."""

    def __init__(self) -> None:
        self.steps: list[tuple[np.ndarray, np.ndarray, float]] = []

    def __call__(self, state: State, evaluation: Evaluation) -> None:
        self.steps.append((state.positions.numpy().copy(), evaluation.forces.numpy().copy(), float(evaluation.energy)))


def sample(
    chemistry: Chemistry, random: np.random.Generator, k: int, *, more: int = 0, shuffled: bool | None = None
) -> Dataset:
    """A set of 50 to 300 frames (and `more`); every second one shuffled (unless given), and every other two noisy."""
    trajectory = chemistry.trajectories[k % len(chemistry.trajectories)]
    stride = int(random.choice(chemistry.strides))
    most = min(300, len(trajectory) // stride - more)
    count = min(int(random.choice([50, 80, 120, 200, 300])), most) + more
    start = int(random.integers(0, len(trajectory) - stride * (count - 1)))
    frames = trajectory[start + stride * np.arange(count)]
    if k % 2 if shuffled is None else shuffled:
        frames = frames[random.permutation(count)]
    if k // 2 % 2:
        energy = frames.energy + 1e-3 * frames.counts * random.standard_normal(count)
        frames = replace(frames, energy=energy, forces=frames.forces + random.normal(0, 0.05, frames.forces.shape))
    return frames


def by_frame(frames: Dataset, forces: np.ndarray) -> Dataset:
    return replace(frames, forces=forces.reshape(-1, 3))


def forces_of(frames: Dataset) -> np.ndarray:
    return frames.forces.reshape(len(frames), -1, 3)


def pick_shift(random: np.random.Generator, frames: int) -> int:
    """1 to 100 and below half the set, small ones as often as large ones, of either sign."""
    most = min(100, frames // 2 - 1)
    return int(np.exp(random.uniform(0, np.log(most + 1)))) * int(random.choice([-1, 1]))


def named(report: Report, label: str, shift: int) -> bool:
    """Whether this shift, and no other, was found."""
    (found,) = [a for a in report.alignments if a.label == label]
    if found.verdict != "shifted":
        return False
    return found.found == shift or (found.rolled and (found.found - shift) % len(report.dataset) == 0)


def clean(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
    return Case(sample(chemistry, random, k), lambda report: not report.problems)


def rolled(label: str, shuffled: bool) -> Callable:
    """Labels shifted with wrap-around."""

    def plant(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
        frames = sample(chemistry, random, k, shuffled=shuffled)
        s = pick_shift(random, len(frames))
        if label == "both":
            wrong = by_frame(replace(frames, energy=np.roll(frames.energy, s)), np.roll(forces_of(frames), s, 0))
            return Case(wrong, lambda report: named(report, "forces", s) and named(report, "energy", s))
        if label == "energy":
            wrong = replace(frames, energy=np.roll(frames.energy, s))
        else:
            wrong = by_frame(frames, np.roll(forces_of(frames), s, 0))
        return Case(wrong, lambda report: named(report, label, s) and set(report.shifts) == {label})

    return plant


def cut(shuffled: bool) -> Callable:
    """Forces that begin earlier or later than the frames, and end so."""

    def plant(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
        s = pick_shift(random, 100)
        longer = sample(chemistry, random, k, more=abs(s), shuffled=shuffled)
        count = len(longer) - abs(s)
        late = max(s, 0)  # frame k has the forces of frame k - s
        wrong = by_frame(longer[late : late + count], forces_of(longer)[late - s : late - s + count])
        few = count - abs(s) < 20  # frames that have their forces in the set at all: then silence is right, too
        return Case(wrong, lambda report: named(report, "forces", s) or (few and "forces" not in report.shifts))

    return plant


def other_unit(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
    unit = list(UNITS)[k % len(UNITS)]
    frames = sample(chemistry, random, k)
    wrong = replace(frames, forces=frames.forces / UNITS[unit])
    return Case(wrong, lambda report: any(f"forces in {unit}" in f.text for f in report.problems))


def other_system(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
    name = list(SYSTEMS)[k % len(SYSTEMS)]
    frames = sample(chemistry, random, k)
    energy, force = SYSTEMS[name]
    wrong = replace(frames, energy=frames.energy / energy, forces=frames.forces / force)
    return Case(wrong, lambda report: any(f.topic == "units" and name in f.text for f in report.problems))


def flipped(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
    frames = sample(chemistry, random, k)
    wrong = replace(frames, forces=-frames.forces)
    return Case(wrong, lambda report: [f.topic for f in report.problems] == ["sign"])


def one_frame(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
    """The forces of another frame in one frame, in turn with forces 51 times as small, and one atom's off by 5 eV/Å."""
    frames = sample(chemistry, random, k)
    forces = forces_of(frames).copy()
    a, b = random.choice(len(frames), 2, replace=False)
    if k % 3 == 0:
        forces[a] = forces[b]
    elif k % 3 == 1:
        forces[a] /= HARTREE / BOHR
    else:
        forces[a, int(random.integers(forces.shape[1]))] += 5 / 3**0.5
    return Case(by_frame(frames, forces), lambda report: report.bad == (a,))


def one_energy(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
    """One energy off by 1 eV."""
    frames = sample(chemistry, random, k)
    energy = frames.energy.copy()
    a = int(random.integers(len(frames)))
    energy[a] += random.choice([-1.0, 1.0])
    return Case(replace(frames, energy=energy), lambda report: report.bad == (a,))


def scrambled(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
    """Forces in random order of frames."""
    frames = sample(chemistry, random, k)
    wrong = by_frame(frames, forces_of(frames)[random.permutation(len(frames))])
    return Case(wrong, lambda report: any("do not fit at any" in f.text for f in report.problems) and not report.shifts)


def each_step(plant: Callable) -> Callable:
    """The same with every step of dynamics."""

    def planted(chemistry: Chemistry, random: np.random.Generator, k: int) -> Case:
        return plant(replace(chemistry, strides=(1,)), random, k)

    return planted


FAULTS = {
    "nothing wrong": clean,
    "forces shifted, rolled, in order": rolled("forces", shuffled=False),
    "forces shifted, rolled, shuffled": rolled("forces", shuffled=True),
    "forces shifted, cut, in order": cut(shuffled=False),
    "forces shifted, cut, shuffled": cut(shuffled=True),
    "energies shifted, in order": rolled("energy", shuffled=False),
    "energies shifted, shuffled": rolled("energy", shuffled=True),
    "both shifted, in order": rolled("both", shuffled=False),
    "forces in another unit": other_unit,
    "energies and forces in another unit": other_system,
    "forces with the sign flipped": flipped,
    "forces of one frame wrong": one_frame,
    "energy of one frame off by 1 eV": one_energy,
    "forces scrambled": scrambled,
}
EVERY_STEP = {
    "every step, nothing wrong": each_step(clean),
    "every step, forces shifted, rolled": each_step(rolled("forces", shuffled=False)),
    "every step, energies shifted": each_step(rolled("energy", shuffled=False)),
}


if __name__ == "__main__":
    main()
