"""The record of each calculation, including those without a label."""

from __future__ import annotations

from dataclasses import dataclass

#: labelled; unconverged (the SCF); failed; timed out; stopped (on request); lost (its process died or froze)
OUTCOMES = ("labelled", "unconverged", "failed", "timed out", "stopped", "lost")


@dataclass(frozen=True)
class Calculation:
    """One call of an oracle.

    structure, oracle  their hashes
    outcome            one of OUTCOMES
    seconds, cores     wall time (a lower bound), and cores in use
    started            seconds since 1970
    host               name of the machine
    program            the program with its version, as far as known
    message            of the error, if there was one
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
        """The cost."""
        return self.seconds * self.cores
