"""Progress of a training: a line on the terminal, and a row of history.csv for each measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from labkit.md.bar import Bar
from labkit.train.folder import write_table


class TrainingBar(Bar):
    """A bar with the errors of the validation frames, or of the training frames if there are none."""

    SHOWN: ClassVar = {
        "energy": "energy {:.3g} meV/atom",
        "forces": "forces {:.3g} meV/Å",
        "stress": "stress {:.3g} meV/Å^3",
    }

    def __init__(self, history: Path) -> None:
        super().__init__()
        self.history = history
        self.rows: list[dict[str, Any]] = []

    def update(self, step: float, total: float, **metrics: Any) -> None:
        """Show the errors of a measurement and add them to history.csv."""
        self.rows.append({"step": step, **metrics})
        write_table(self.history, self.rows)
        part = "valid" if "valid energy" in metrics else "train"
        found = {name: 1000 * metrics.get(f"{part} {name}", float("nan")) for name in self.SHOWN}
        super().update(step, total, **{name: x for name, x in found.items() if x == x})
