"""An oracle that writes down when each of its calculations begins and ends, in whichever process."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from ase.build import bulk
from ase.calculators.emt import EMT

from labkit.errors import LabkitError, Stopped
from labkit.oracles import CalculatorOracle, Oracle, Unconverged, structure_hash
from labkit.oracles.settings import NOT_HASHED


def coppers(n, first=0):
    frames = []
    for i in range(first, first + n):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=i)
        frames.append(atoms)
    return frames


@dataclass(frozen=True)
class Counted(Oracle):
    """EMT that takes `pause` s; frames of `fail`, `unconverged` (numbers of coppers()) give no label, `hang` waits."""

    kind = "counted"
    log: Path = field(metadata=NOT_HASHED)
    pause: float = field(default=0.0, metadata=NOT_HASHED)
    fail: tuple = field(default=(), metadata=NOT_HASHED)
    unconverged: tuple = field(default=(), metadata=NOT_HASHED)
    hang: tuple = field(default=(), metadata=NOT_HASHED)

    @property
    def name(self):
        return "counted EMT"

    def compute(self, atoms, should_stop=lambda: False):
        number = NUMBERS[structure_hash(atoms)]
        self.note("begin", number)
        deadline = time.monotonic() + self.pause
        while time.monotonic() < deadline or number in self.hang:
            if should_stop():
                raise Stopped
            time.sleep(0.002)
        if number in self.fail:
            raise LabkitError("the program crashed")
        if number in self.unconverged:
            raise Unconverged("the SCF did not converge")
        label = CalculatorOracle("EMT", EMT).compute(atoms)
        self.note("end", number)
        return label

    def note(self, what, number):
        line = f"{time.monotonic_ns()} {os.getpid()} {what} {number}\n"
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # whole lines, also of several processes
        os.write(handle, line.encode())
        os.close(handle)

    def events(self):
        """(time, process, what, frame) in their order."""
        lines = [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return sorted((int(t), int(process), what, int(number)) for t, process, what, number in lines)

    def started(self):
        return [number for _, _, what, number in self.events() if what == "begin"]


NUMBERS = {structure_hash(atoms): i for i, atoms in enumerate(coppers(60))}
