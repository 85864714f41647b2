"""The settings of a run: checked, and as the text that tells one run from another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms

from labkit.active.pool.budget import Budget
from labkit.active.pool.candidates import candidates
from labkit.active.pool.purchases import ANSWERS
from labkit.datasets import Dataset
from labkit.errors import LabkitError, suggest
from labkit.oracles import Oracle, structure_hash


def check_counts(**counts: int) -> None:
    """Raise LabkitError unless batch is positive and the others are not negative."""
    for name, value in counts.items():
        least = 1 if name == "batch" else 0
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise LabkitError(f"{name} is {value!r}; expected a whole number from {least}")


def check_first_round(needed: int, usable: int, refused: int, budget: Budget, given: int) -> None:
    """Raise LabkitError if the pool or the budget is too small for round 0."""
    if needed > usable:
        raise LabkitError(
            f"the pool has {usable} frames that may be labelled ({refused} are refused), but round 0 needs {needed} "
            "(validation + calibration + start); give more frames or ask for fewer"
        )
    left = budget.calls_left(given, 0.0)
    if left is not None and left < needed:
        raise LabkitError(
            f"the budget of {budget.calls} calls does not cover round 0 of {needed} frames"
            f"{f' and the {given} labels given' if given else ''}; raise it, or lower start, validation or calibration"
        )


def check_retries(retries: Mapping[str, int]) -> None:
    """Raise LabkitError for an outcome after which nothing can be sent again."""
    outcomes = ANSWERS[1:]
    for outcome, times in retries.items():
        if outcome not in outcomes:
            expected = f"{', '.join(outcomes)}{suggest(outcome, outcomes)}"
            raise LabkitError(f"retries: no outcome {outcome!r}, expected {expected}")
        if times < 0:
            raise LabkitError(f"retries: {outcome!r} is {times}; expected 0 or more")


def check_oracle(known: Dataset | None, oracle: Oracle) -> None:
    """Raise LabkitError, naming both, if frames were labelled by another oracle (as their info["oracle"] says)."""
    for k, info in enumerate(known.info if known is not None else ()):
        other = info.get("oracle")
        if other is not None and other != oracle.name:
            raise LabkitError(
                f"{known.name or 'known frames'}, frame {k}: was labelled by {other}, and this run by {oracle.name}; "
                "labels of two oracles cannot be mixed: leave these frames out, label them again, or learn the "
                "difference of the two (Difference)"
            )


def structures_hash(frames: Sequence[Atoms]) -> str:
    """sha256 of structures in their order; what is broken counts by its raw numbers."""
    found = hashlib.sha256()
    for atoms in frames:
        try:
            found.update(structure_hash(atoms).encode())
        except LabkitError:
            found.update(atoms.positions.tobytes() + atoms.numbers.tobytes())
    return found.hexdigest()


def run_settings(
    pool: Dataset, oracle: Oracle, budget: Budget, known: Dataset | None, test: Dataset | None, **others: Any
) -> dict[str, Any]:
    """What a run depends on, as JSON holds it."""
    return {
        "pool": f"{len(pool)} frames, {structures_hash(candidates(pool))}",
        "oracle": f"{oracle.name}, {oracle.hash}",
        "budget": str(budget),
        "known": None if known is None else known.hash,
        "test": None if test is None else test.hash,
        **others,
    }
