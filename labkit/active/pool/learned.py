"""Learned: what a run of active learning has reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from labkit.active.pool.ledger import Ledger
from labkit.active.pool.round import Round
from labkit.base import Potential
from labkit.datasets import Dataset


@dataclass(frozen=True, eq=False, repr=False)
class Learned:
    """The state after a round.

    potential    fitted to `labelled`
    labelled     frames with labels, in the order of their rounds; validation and calibration frames are not among them
    validation, calibration  labelled frames drawn at random that were never trained on; None if there are none
    rounds       all rounds so far
    refused      frames of the pool that are never labelled, with the reason
    ledger       every call and what it bought
    stopped      why the run has ended, or "" if it has not
    """

    potential: Potential
    labelled: Dataset
    validation: Dataset | None
    calibration: Dataset | None
    rounds: tuple[Round, ...]
    refused: Mapping[int, str]
    ledger: Ledger
    stopped: str

    def __repr__(self) -> str:
        return f"Learned({len(self.rounds)} rounds, {len(self.labelled)} labels, {self.stopped or 'under way'})"

    @property
    def errors(self) -> Mapping[str, float]:
        """Of the potential on the test frames, eV/Å and eV/atom."""
        return self.rounds[-1].errors

    @property
    def curve(self) -> pd.DataFrame:
        """A row for each round: labels, failures, calls and core-seconds so far, errors."""
        return pd.DataFrame([one.row() for one in self.rounds])

    def reason(self, frame: int) -> str:
        """Why a frame of the pool was taken, refused or not."""
        if frame in self.refused:
            return self.refused[frame]
        for one in reversed(self.rounds):
            if frame in one.plan.reasons:
                return f"round {one.plan.number}, {one.plan.reasons[frame]}"
        return "not taken in any round"
