"""Round: what was chosen, what the oracle said, and the error that this bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class RoundPlan:
    """The frames that a round sends to the oracle; it is written before any of them is computed.

    number   of the round; 0 has the first frames, which are drawn at random
    frames   their numbers in the pool, in order of choice
    spread   of each when it was chosen, in `unit`; None where there was no uncertainty
    reasons  by frame: of those taken and of those refused
    note     why there are fewer than requested
    """

    number: int
    frames: tuple[int, ...]
    spread: tuple[float, ...] | None = None
    unit: str = ""
    reasons: Mapping[int, str] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self) | {"reasons": {str(k): text for k, text in self.reasons.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RoundPlan:
        """The inverse."""
        spread, reasons = plain["spread"], {int(k): str(text) for k, text in plain["reasons"].items()}
        return cls(
            int(plain["number"]), tuple(map(int, plain["frames"])),
            None if spread is None else tuple(map(float, spread)), str(plain["unit"]), reasons, str(plain["note"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Round:
    """A plan and its results.

    labelled    frames with a label, in order of choice; failed: {frame: outcome and message}
    calls       of the oracle until the end of this round, and core_seconds of them
    errors      of the potential that is fitted to all labels until now: force_rmse and force_max [eV/Å], energy_rmse
                [eV/atom], and what the caller measures besides
    surprise    of the potential before, for each frame labelled: RMSE of its forces and the largest error of one atom
                [eV/Å], and of its energy [eV/atom]; none in round 0
    """

    plan: RoundPlan
    labelled: tuple[int, ...]
    failed: Mapping[int, str]
    calls: int
    core_seconds: float
    errors: Mapping[str, float]
    surprise: Mapping[int, tuple[float, float, float]] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """A row of the learning curve."""
        counts = {"labels": len(self.labelled), "failed": len(self.failed)}
        spent = {"calls": self.calls, "core_seconds": self.core_seconds}
        return {"round": self.plan.number, **counts, **spent, **self.errors}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, without the plan."""
        return {
            "labelled": list(self.labelled),
            "failed": {str(k): text for k, text in self.failed.items()},
            "calls": self.calls,
            "core_seconds": self.core_seconds,
            "errors": dict(self.errors),
            "surprise": {str(k): list(x) for k, x in self.surprise.items()},
        }

    @classmethod
    def from_dict(cls, plan: RoundPlan, plain: Mapping[str, Any]) -> Round:
        """The inverse."""
        return cls(
            plan, tuple(map(int, plain["labelled"])), {int(k): str(x) for k, x in plain["failed"].items()},
            int(plain["calls"]), float(plain["core_seconds"]), {k: float(x) for k, x in plain["errors"].items()},
            {int(k): tuple(map(float, x)) for k, x in plain["surprise"].items()},
        )  # fmt: skip
