"""What is booked of each calculation, also of those that gave no label."""

from __future__ import annotations

from dataclasses import dataclass

#: labelled; unconverged (the SCF); failed; stopped (asked to); lost (its process died or froze)
OUTCOMES = ("labelled", "unconverged", "failed", "stopped", "lost")


@dataclass(frozen=True)
class Calculation:
    """One call of an oracle.

    structure, oracle  their hashes
    outcome            one of OUTCOMES
    seconds, cores     wall time, at least, and cores that were kept busy
    started            seconds since 1970
    host               name of the machine
    program            what computed, with its version, as far as known
    message            of the error, where there was one
    """

    structure: str
    oracle: str
    outcome: str
    seconds: float
    cores: int
    started: float
    host: str
    program: str
    message: str

    @property
    def core_seconds(self) -> float:
        """What it cost."""
        return self.seconds * self.cores
