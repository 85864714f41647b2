"""Cost of a step of Brownian dynamics with hydrodynamic interactions against N: time and memory up to N = 10,000.

    python benchmarks/brownian.py [--full]

Spheres at a volume fraction of 0.1, one system, one thread; each measurement in its own process, whose peak memory
minus that before the step is measured. Positions are those of a grid, displaced at random as far as is possible without
overlap: overlapping spheres, which a fluid does not have, would make M nearly singular and Lanczos' method slow.

Three schemes. Euler without drift (Rotne-Prager-Yamakawa, ∇·M = 0): the least that a step can cost. The midpoint
scheme, the default: noise and its random force, and a second evaluation half a step later. Euler with the drift by
random finite differences, two more products, above a wall, where ∇·M is not zero; compared with the exact divergence,
which takes the derivatives of 3N products. Noise by Lanczos (tolerance 1e-3, products only) is compared with Cholesky
of the matrix. Beyond 1,000 particles Cholesky's memory is computed, not measured, from the matrix and its factor,
2 (3N)² 8 bytes, and times are compared with quadratic growth.

The cost of a step of 10,000 particles: Lanczos' method needs about a dozen products M F (the rows give the number,
which grows slowly with N and with the volume fraction, since M's largest eigenvalue does), and a product is a sum over
all N² pairs, whose blocks are computed again each time, since storing them would take the matrix of 7 GB. So the time
is products x N² x the tens of nanoseconds of a block, and grows a little faster than N². At every 100th step, including
the first, the method continues to `lanczos.certain` products, to check whether M is positive: a step between these is
timed here, and the mean is (certain - products)/100 products more.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time

from _bench import Row, compare, parser, report

MEASURED = (250, 500, 1000)
BEYOND = (4000, 10_000)
WALL = (20, 100, 400)

#: options of the scheme, and whether above a wall
STEPS: dict[str, tuple[dict[str, object], bool]] = {
    "Euler": ({"scheme": "euler", "drift": False}, False),
    "midpoint": ({"scheme": "midpoint"}, False),
    "random drift": ({"scheme": "euler", "divergence": "random"}, True),
    "exact drift": ({"scheme": "euler", "divergence": "autograd"}, True),
}


def step(n: int, kind: str, noise: str) -> dict[str, float]:
    """Seconds, MB of memory and products with M of a step, after a small step that compiles."""
    import torch
    from torch import Tensor

    from labkit.base import State
    from labkit.mobility import Brownian, RotnePragerYamakawa, WallRotnePragerYamakawa
    from labkit.mobility.examples import Pull, colloids

    torch.set_num_threads(1)
    radius, (choices, wall) = 10.0, STEPS[kind]
    fluid = (WallRotnePragerYamakawa if wall else RotnePragerYamakawa)(radius, 5.5)
    integrator, free = Brownian(fluid, 300.0, noise=noise, **choices), Pull(torch.zeros(3))

    def spread(count: int) -> State:
        """The second step from now: the first checks all eigenvalues of M."""
        generator = torch.Generator().manual_seed(1)
        side = math.ceil(count ** (1 / 3))
        spacing = radius * (4 / 3 * math.pi * count / 0.1) ** (1 / 3) / side
        grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * 3)
        chosen = grid[torch.randperm(len(grid), generator=generator)[:count]]
        shift = torch.rand(count, 3, generator=generator, dtype=torch.float64) * (spacing - 2 * radius)
        return colloids((chosen * spacing + shift + radius)[None]).replace(step=1)

    products, plain = 0, fluid.product

    def counted(*inputs: Tensor) -> Tensor:
        nonlocal products
        products += 1
        return plain(*inputs)

    with torch.no_grad():
        integrator.step(integrator.init(spread(30), free), free, 100.0)
        state = integrator.init(spread(n), free)
        fluid.product = counted
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        integrator.step(state, free, 100.0)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "megabytes": max(peak / 1024, 0.1), "products": products}


def apart(n: int, kind: str, noise: str, runs: int) -> dict[str, list[float]]:
    """Seconds, MB and products of some runs, each in its own process; with 0 runs, of one in this process."""
    found = [] if runs else [step(n, kind, noise)]
    for _ in range(runs):
        line = [sys.executable, __file__, "--one", str(n), kind, noise]
        found.append(json.loads(subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout))
    return {key: [f[key] for f in found] for key in found[0]}


def beside(n: int, kind: str, runs: int, peer: tuple[str, str], peer_name: str) -> list[Row]:
    """Time and memory of a step by Lanczos compared with another kind of step and noise."""
    ours, theirs = apart(n, kind, "lanczos", runs), apart(n, *peer, runs)
    return rows_of(n, kind, ours, theirs["seconds"], peer_name, theirs["megabytes"], peer_name)


def beyond(n: int, kind: str, runs: int, reference: Row) -> list[Row]:
    """The same if neither the matrix nor its factor is computed; `reference` is a time at MEASURED[-1] particles."""
    growth = [reference.labkit * (n / MEASURED[-1]) ** 2] * runs
    matrices = [2 * (3 * n) ** 2 * 8 / 2**20] * runs
    ours = apart(n, kind, "lanczos", runs)
    return rows_of(n, kind, ours, growth, "quadratic growth", matrices, "Cholesky, computed")


def rows_of(
    n: int,
    kind: str,
    ours: dict[str, list[float]],
    times: list[float],
    timed: str,
    memory: list[float],
    weighed: str,
) -> list[Row]:
    name = f"{n} particles, {kind}"
    return [
        compare(f"{name}: a step by Lanczos, {ours['products'][0]} products", "s", ours["seconds"], times, timed),
        compare(f"{name}: memory of it", "MB", ours["megabytes"], memory, weighed),
    ]


def main() -> None:
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    runs, rows = 5 if arguments.full else 1, []
    if arguments.small:
        report(beside(30, "Euler", 0, ("Euler", "cholesky"), "Cholesky"), arguments)
        return
    # the midpoint takes nearly twice as long as Euler's: not to 10,000
    for kind, sizes in (("Euler", BEYOND), ("midpoint", BEYOND[:1])):
        for n in MEASURED:
            rows += beside(n, kind, runs, (kind, "cholesky"), "Cholesky")
        reference = rows[-2]
        for n in sizes:
            rows += beyond(n, kind, runs, reference)
    for n in WALL:
        peer = ("exact drift", "lanczos") if n == WALL[0] else ("random drift", "cholesky")
        rows += beside(n, "random drift", runs, peer, "exact divergence" if n == WALL[0] else "Cholesky")
    report(rows, arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(step(int(sys.argv[2]), *sys.argv[3:5])))
    else:
        main()
