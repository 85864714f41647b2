"""python -m labkit.forcefield.precompile: compile the kernels that notebooks need, once for this computer.

numba stores compiled code beside the sources; otherwise the first notebook with a force field has to wait.
"""

from __future__ import annotations

import time

from labkit.config import compiler
from labkit.forcefield.examples import peptide, water


def main() -> None:
    if not compiler():
        print("labkit: numba is not installed, force fields use torch alone (slower)")
        return
    began = time.perf_counter()
    for example in (water(), peptide()):
        example.forcefield.evaluate(example.state)
    print(f"labkit: force-field kernels compiled in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
