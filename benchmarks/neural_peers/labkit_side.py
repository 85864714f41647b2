"""labkit's TensorNet, trained for a budget of CPU time with its own settings: `train(potential, data, budget=...)`.

numba compiles its kernels once for a computer, at the first training (`python -m labkit.precompile`); that is not
counted, reading them is.
"""

import time

time.perf_counter = time.process_time  # so that labkit's budget is one of CPU time, as that of the others

# ruff: noqa: E402
from _clock import frames, memory, options, report, spent
from _dynamics import KELVIN, STEP, speeds

from labkit.base import State
from labkit.datasets import Dataset
from labkit.engine import VelocityVerlet, maxwell_boltzmann, simulate
from labkit.neural import NeuralConfig, train, untrained

SIZES = {"small": 32, "medium": 64, "large": 96}


def main() -> None:
    given = options()
    data, test = Dataset.from_atoms(frames(given.data, "train")), frames(given.data, "test")
    settings = {"rate": given.rate or 3e-3, "batch": 8, "seed": given.seed}
    config = NeuralConfig(channels=SIZES[given.size], seed=given.seed)
    potential, began = untrained(data, config), spent()
    trained = train(potential, data, budget=max(1.0, given.budget - spent()), **settings)
    end = spent()
    steps = trained.plan.end
    figures = {"steps": steps, "cpu": end, "frames_per_second": steps * settings["batch"] / (end - began)}
    figures |= {"batch": settings["batch"], "memory": memory()}
    report(given, predictions(potential, test), test, **figures, **dynamics(given, potential, test))


def predictions(potential, test: list) -> list:
    found = potential.evaluate(Dataset.from_atoms(test).state())
    energies, forces = found.energy.numpy(), found.forces.numpy()
    starts = [sum(len(a) for a in test[:k]) for k in range(len(test))]
    return [(e, forces[s : s + len(a)]) for e, s, a in zip(energies, starts, test, strict=True)]


def dynamics(given, potential, test: list) -> dict:
    def many(atoms, replicas):
        state = maxwell_boltzmann(State.from_atoms([atoms] * replicas), KELVIN)
        integrator = VelocityVerlet()

        def run(steps: int) -> None:
            nonlocal state
            state = simulate(state, potential, integrator, steps, STEP)

        return run

    return speeds(given, test, {"simulate": lambda atoms: many(atoms, 1)}, many)


if __name__ == "__main__":
    main()
