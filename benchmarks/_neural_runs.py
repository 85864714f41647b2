"""The runs of benchmarks/neural.py: which there are, in which order, and their results in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SIDES = Path(__file__).parent / "neural_peers"
TUNED = "ethanol"  # the set on which, with seed 0, a code's variants are compared
LONGEST_TUNED = 300.0  # s: beyond this budget, the winner of this one runs
RECOMMENDED = "recommended"


@dataclass(frozen=True)
class Code:
    """A code, its script, and its variants: (size, learning rate).

    fitted  its variants are fits that take the time they take, and that one is chosen which ends within the budget
    """

    name: str
    script: str
    variants: tuple[tuple[str, float | None], ...]
    fitted: bool = False


def _tried(sizes: Sequence[str], rates: Sequence[float]) -> tuple[tuple[str, float | None], ...]:
    return (*((size, rate) for size in sizes for rate in rates), (RECOMMENDED, None))


LABKIT = Code("labkit", "labkit_side.py", (("medium", 0.003),))
#: smaller and larger networks of labkit, on ethanol only, for comparisons at equal error
OTHER_SIZES = Code("labkit", "labkit_side.py", (("small", 0.003), ("large", 0.003)))
GAP = Code("labkit GAP", "gap_side.py", tuple((s, None) for s in ("small", "medium", "large", "huge")), fitted=True)
MACE = Code("mace-torch", "mace_side.py", _tried(("small", "one"), (0.01, 0.003)))
TORCHMD_NET = Code("torchmd-net", "torchmdnet_side.py", _tried(("small", "medium"), (0.001, 0.003)))
GRAPH_PES = Code("graph-pes", "graphpes_side.py", _tried(("small", "medium"), (0.001, 0.003)))
SGDML = Code("sgdml", "sgdml_side.py", tuple((n, None) for n in ("100", "200", "400", "600", "950")), fitted=True)
PEERS = (MACE, TORCHMD_NET, GRAPH_PES, SGDML)

#: what --full runs: set, CPU seconds, seed; the most informative first
PLAN = (
    ("ethanol", 60.0, 0), ("ice", 60.0, 0),
    ("ethanol", 60.0, 1), ("ice", 60.0, 1), ("ethanol", 60.0, 2), ("ice", 60.0, 2),
    ("ethanol", 300.0, 0), ("ice", 300.0, 0), ("rmd17-ethanol", 60.0, 0), ("3bpa", 300.0, 0),
    ("ethanol", 300.0, 1), ("ice", 300.0, 1), ("ethanol", 300.0, 2), ("ice", 300.0, 2),
    ("ethanol", 1800.0, 0), ("rmd17-aspirin", 1800.0, 0),
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    code: Code
    set: str
    budget: float
    seed: int
    size: str
    rate: float | None

    @property
    def name(self) -> str:
        budget = "fit" if self.code.fitted else f"{self.budget:g}"
        rate = [] if self.rate is None else [f"{self.rate:g}"]
        return "_".join([self.set, self.code.name.replace(" ", "-"), budget, str(self.seed), self.size, *rate])


@dataclass
class Runs:
    """Runs and their results in a folder; those that are there are not repeated.

    peers  folder of the peers' environments, named as the codes; None for labkit alone
    new    whether runs that are missing are started
    """

    kept: Path
    peers: Path | None
    new: bool = True
    dynamics: float = 4.0

    def python(self, code: Code) -> str | None:
        if code.script in ("labkit_side.py", "gap_side.py"):
            return sys.executable
        found = None if self.peers is None else self.peers / code.name / "bin" / "python"
        return str(found) if found is not None and found.exists() else None

    def result(self, run: Run, data: Path | None) -> dict | None:
        """The result of a run, from its file if it is there; None if it failed, or is missing and not to be started."""
        file = self.kept / f"{run.name}.json"
        if not file.exists() and self.new and data is not None:
            self._start(run, data, file)
        return json.loads(file.read_text()) if file.exists() else None

    def of(self, code: Code, name: str, budget: float, seed: int, data: Path | None) -> Iterator[tuple[Run, dict]]:
        """The runs of a code: all variants where they are compared or fitted, elsewhere the winner alone."""
        if self.python(code) is None and self.new:
            return
        last = 0.0
        for size, rate in self._variants(code, name, budget, seed):
            if code.fitted and last > budget:
                break  # the next one would take even longer
            run = Run(code, name, budget, seed, size, rate)
            found = self.result(run, data)
            if found is not None:
                last = found["cpu"]
                yield run, found
            elif code.fitted:
                break

    def _variants(self, code: Code, name: str, budget: float, seed: int) -> Sequence[tuple[str, float | None]]:
        if code.fitted or len(code.variants) == 1 or code is OTHER_SIZES:
            return code.variants
        if name == TUNED and seed == 0 and budget <= LONGEST_TUNED:
            return code.variants
        best = self.winner(code, min(budget, LONGEST_TUNED))
        return code.variants[:1] if best is None else [best]

    def winner(self, code: Code, budget: float) -> tuple[str, float | None] | None:
        """The variant with the smallest error of forces on the tuning set with seed 0 at this budget."""
        found = []
        for size, rate in code.variants:
            file = self.kept / f"{Run(code, TUNED, budget, 0, size, rate).name}.json"
            if file.exists():
                found.append((json.loads(file.read_text())["force MAE"], size, rate))
        return min(found)[1:] if found else None

    def _start(self, run: Run, data: Path, file: Path) -> None:
        options = {"data": data, "budget": run.budget, "seed": run.seed, "size": run.size, "dynamics": self.dynamics}
        if run.rate is not None:
            options["rate"] = run.rate
        # e3nn's tables are read by torch.load; they come with the package
        set_here = {"OMP_NUM_THREADS": "1", "LABKIT_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
        with tempfile.TemporaryDirectory() as new:
            out = Path(new) / "result.json"
            line = [self.python(run.code), str(SIDES / run.code.script), f"--out={out}"]
            line += [f"--{name}={value}" for name, value in options.items()]
            try:
                limit = 86400 + 200 * run.budget  # s; a side that hangs must not hold up the others for ever
                done = subprocess.run(
                    line, capture_output=True, text=True, env={**os.environ, **set_here}, timeout=limit
                )
                said = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
            except subprocess.TimeoutExpired:
                said = [f"did not end within {limit:g} s"]
            if not out.exists():
                print(f"{run.name}: {said[0][:150]}", flush=True)
                return
            found = json.loads(out.read_text())
        known = {"code": run.code.name, "set": run.set, "budget": run.budget, "seed": run.seed, "size": run.size}
        half = file.with_suffix(".new")
        half.write_text(json.dumps({**known, "rate": run.rate, **found}, indent=1) + "\n")
        half.replace(file)
        print(f"{run.name}: {found['force MAE']:.1f} meV/Å, {found['cpu']:.0f} s", flush=True)
