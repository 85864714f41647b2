"""python -m labkit.precompile: compile the kernels that notebooks need, once for this computer.

numba stores compiled code beside the sources; otherwise the first notebook with a force field or a network has to wait.
"""

from __future__ import annotations

import time

from labkit.config import compiler
from labkit.datasets import ice
from labkit.forcefield.examples import peptide, water
from labkit.neural import train, untrained


def main() -> None:
    if not compiler():
        print("labkit: numba is not installed, force fields use torch alone (slower)")
        return
    began = time.perf_counter()
    for example in (water(), peptide()):
        example.forcefield.evaluate(example.state)
    frames = ice("train", n=50)[:4]
    train(untrained(frames, channels=8, cutoff=3.0), frames, steps=1, batch=2)
    print(f"labkit: kernels of force fields and networks compiled in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
