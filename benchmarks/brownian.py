"""What a step of Brownian dynamics with hydrodynamic interactions costs against N: time and memory up to N = 10,000.

    python benchmarks/brownian.py [--full]

Spheres at a volume fraction of 0.1, Rotne-Prager-Yamakawa, one system, one thread, Euler without drift (∇·M = 0). Noise
by Lanczos (tolerance 1e-3, products alone) beside Cholesky of the matrix; each in a process of its own, whose peak of
memory less that before the step is measured. Beyond 1,000 particles Cholesky's memory is computed, not measured, from
the matrix and its factor, 2 (3N)² 8 bytes, and times stand beside quadratic growth.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time

from _bench import compare, parser, report

MEASURED = (250, 500, 1000)
BEYOND = (4000, 10_000)


def step(n: int, noise: str) -> dict[str, float]:
    """Seconds of a step and MB of memory of it, after a small step that compiles."""
    import torch
    from ase import Atoms

    from labkit.base import Neighbours, Potential, State
    from labkit.mobility import Brownian, RotnePragerYamakawa

    torch.set_num_threads(1)
    radius = 10.0

    class Free(Potential):
        cutoff = 0.0

        def energy(self, system, positions, cell, neighbours: Neighbours):
            return positions.new_zeros(system.n_systems)

    def scattered(count: int) -> State:
        side = radius * (4 / 3 * math.pi * count / 0.1) ** (1 / 3)
        places = side * torch.rand(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        return State.from_atoms(Atoms(numbers=[18] * count, positions=places.numpy()))

    integrator = Brownian(RotnePragerYamakawa(radius, 5.5), 300.0, "euler", noise=noise, drift=False)
    with torch.no_grad():
        small = integrator.init(scattered(30), Free())
        integrator.step(small, Free(), 100.0)
        state = integrator.init(scattered(n), Free())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        integrator.step(state, Free(), 100.0)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def apart(n: int, noise: str, runs: int) -> tuple[list[float], list[float]]:
    """Seconds and MB of some runs, each in a process of its own."""
    found = []
    for _ in range(runs):
        line = [sys.executable, __file__, "--one", str(n), noise]
        found.append(json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout))
    return [f["seconds"] for f in found], [max(f["megabytes"], 0.1) for f in found]


def main() -> None:
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    runs, rows = 5 if arguments.full else 1, []
    for n in MEASURED:
        (fast, lean), (slow, fat) = (apart(n, noise, runs) for noise in ("lanczos", "cholesky"))
        rows.append(compare(f"{n} particles: a step by Lanczos", "s", fast, slow, "Cholesky"))
        rows.append(compare(f"{n} particles: memory of it", "MB", lean, fat, "Cholesky"))
    for n in BEYOND:
        times, lean = apart(n, "lanczos", runs)
        growth = [t * (n / MEASURED[-1]) ** 2 for t in fast]
        rows.append(compare(f"{n} particles: a step by Lanczos", "s", times, growth, "quadratic growth"))
        matrices = [2 * (3 * n) ** 2 * 8 / 2**20] * runs
        rows.append(compare(f"{n} particles: memory of it", "MB", lean, matrices, "Cholesky, computed"))
    report(rows, arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(step(int(sys.argv[2]), sys.argv[3])))
    else:
        main()
