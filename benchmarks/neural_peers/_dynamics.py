"""Steps per CPU second of NVE dynamics with a trained potential: 0.5 fs, from 300 K, single systems and replicas."""

from collections.abc import Callable

import ase
import numpy as np
from _clock import spent
from ase import units
from ase.md.verlet import VelocityVerlet

STEP, KELVIN = 0.5, 300.0  # fs, K
REPLICAS = 1000
ATOMS = 96  # at least, of a periodic system


def system(frame: ase.Atoms) -> ase.Atoms:
    """The molecule itself, or a periodic cell repeated until it has 96 atoms, with velocities."""
    atoms = ase.Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    while atoms.pbc.any() and len(atoms) < ATOMS:
        times = [1, 1, 1]
        times[int(np.argmin(atoms.cell.lengths()))] = 2
        atoms = atoms.repeat(times)
    random = np.random.default_rng(0)
    atoms.set_velocities(random.normal(size=(len(atoms), 3)) * np.sqrt(units.kB * KELVIN / atoms.get_masses())[:, None])
    return atoms


def steps_per_second(run: Callable[[int], object], seconds: float) -> float:
    """Of `run(steps)`, in about this CPU time, after a tenth of it that is not timed."""
    steps, used = 1, 0.0
    while used < seconds / 10:
        began = spent()
        run(steps)
        used = spent() - began
        rate, steps = steps / max(used, 1e-6), 2 * steps
    steps = max(1, int(rate * seconds))
    began = spent()
    run(steps)
    return steps / (spent() - began)


def with_ase(atoms: ase.Atoms, calculator) -> Callable[[int], object]:
    atoms = atoms.copy()
    atoms.calc = calculator
    return VelocityVerlet(atoms, STEP * units.fs).run


def verlet(atoms: ase.Atoms, replicas: int, forces_of: Callable[[np.ndarray], np.ndarray]) -> Callable[[int], None]:
    """Velocity Verlet of replicas (R, N, 3) at once, for codes with batches and without dynamics of their own."""
    r = np.tile(atoms.positions, (replicas, 1, 1))
    masses, dt = atoms.get_masses()[:, None], STEP * units.fs
    v = np.random.default_rng(0).normal(size=r.shape) * np.sqrt(units.kB * KELVIN / masses)
    f = forces_of(r)

    def run(steps: int) -> None:
        nonlocal r, v, f
        for _ in range(steps):
            v += 0.5 * dt * f / masses
            r += dt * v
            f = forces_of(r)
            v += 0.5 * dt * f / masses

    return run


def speeds(given, test: list, routes: dict[str, Callable], many: Callable | None) -> dict:
    """Figures for the result, if --dynamics is given: those of the fastest route.

    routes  by name: atoms -> a function that runs a number of steps; compiled ones only with seed 0
    many    atoms, replicas -> the same for replicas at once; None if they can only run one after another
    """
    if not given.dynamics:
        return {}
    atoms, rates = system(test[0]), {}
    for name, route in routes.items():
        if given.seed and name.startswith("compiled"):
            continue
        try:
            rates[name] = steps_per_second(route(atoms), given.dynamics)
        except Exception as error:  # noqa: BLE001 (a peer's compiler may fail in many ways; the plain route remains)
            print(f"{name}: {type(error).__name__}: {error}"[:300], flush=True)
    best = max(rates, key=rates.get)
    found = {"MD steps/s": rates[best], "MD route": best, "MD routes": rates, "MD atoms": len(atoms)}
    if not atoms.pbc.any():
        one_by_one = found["MD steps/s"] / REPLICAS
        together = 0.0 if many is None else steps_per_second(many(atoms, REPLICAS), given.dynamics)
        found["MD steps/s, 1,000 replicas"] = max(one_by_one, together)
    return found
