"""The tray without a screen: which runs are pinned, and their overlay."""

from __future__ import annotations

from pathlib import Path

import traitlets

from labkit.panels.kit import html
from labkit.panels.kit.style import to_png
from labkit.panels.tray.figure import overlay
from labkit.runs import FitRecord, Runs, differences, runs


class TrayModel(traitlets.HasTraits):
    """The runs of a session, newest last; the `pinned` ones are overlaid in `picture`, by their `curve`.

    version      increases with every change of the runs
    curves       names of all curves of the pinned runs, to choose from
    differences  an HTML table of the settings in which the pinned runs differ
    """

    version = traitlets.Int(0)
    pinned = traitlets.List(traitlets.Unicode())
    curve = traitlets.Unicode("")
    curves = traitlets.List(traitlets.Unicode())
    differences = traitlets.Unicode("")
    picture = traitlets.Bytes(b"")

    def __init__(self, store: Runs | None = None) -> None:
        super().__init__()
        self.store = store or runs()
        self.store.on_change(self.refresh)
        self.observe(self._draw, ["pinned", "curve"])

    def refresh(self) -> None:
        """Read the folder again; called when a run is added here."""
        self.version += 1
        kept = {run.key for run in self.store.all()}
        self.pinned = [key for key in self.pinned if key in kept]

    def rows(self) -> list[tuple[str, FitRecord]]:
        """All runs with their numbers, as in #3, which they keep when others are deleted."""
        numbers = self.store.numbers()
        return [(f"#{numbers[run.key]}", run) for run in self.store.all() if run.key in numbers]

    def pin(self, key: str, on: bool = True) -> None:
        others = [k for k in self.pinned if k != key]
        self.pinned = [*others, key] if on else others

    @property
    def unpinned(self) -> list[str]:
        """Keys of the runs that `clear` deletes."""
        return [run.key for run in self.store.all() if run.key not in self.pinned]

    @property
    def deleted(self) -> int:
        """How many runs `undo` brings back."""
        return len(self.store.deleted.last())

    def clear(self) -> None:
        """Delete all runs that are not pinned; `undo` brings them back."""
        if keys := self.unpinned:
            self.store.set_aside(keys)

    def undo(self) -> None:
        """Bring back the runs that were deleted last."""
        self.store.bring_back()

    def files(self) -> dict[str, bytes]:
        """All runs as CSV; of the pinned ones their settings, and the models that were kept."""
        files = {"runs.csv": self.store.table().drop(columns="key", errors="ignore").to_csv(index=False).encode()}
        for label, run in self.rows():
            if run.key in self.pinned:
                number = label.removeprefix("#")
                name = Path(run.settings.file_name)
                files[f"{name.stem}-{number}{name.suffix}"] = run.settings.text().encode()
                model = self.store.model_file(run.key)
                if model.exists():
                    files[f"{run.settings.kind}-{number}.safetensors"] = model.read_bytes()
        return files | ({"overlay.png": self.picture} if self.picture else {})

    def _draw(self, _: object) -> None:
        chosen = [(label, run) for label, run in self.rows() if run.key in self.pinned]
        self.differences = _compared(chosen)
        self.curves = list(dict.fromkeys(name for _, run in chosen for name in run.curves))
        if self.curve not in self.curves:
            self.curve = self.curves[0] if self.curves else ""  # which draws
        self.picture = to_png(overlay(chosen, self.curve)) if chosen else b""


def _compared(chosen: list[tuple[str, FitRecord]]) -> str:
    found = differences(dict(chosen))
    if found.empty:
        return ""
    cells = found.map(lambda x: "" if x != x or x is None else f"{x:g}" if isinstance(x, float) else str(x))
    return html.table(["differ in", *found.columns], cells.itertuples(name=None))
