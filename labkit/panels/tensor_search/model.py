"""The TensorSearch panel without a screen: many environments, each at its own best regularization."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pandas as pd
import traitlets

from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit import html
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.script import Script
from labkit.panels.tensor_figures import search_figure
from labkit.polarizability import Settings, search
from labkit.polarizability.labels import Frames

if TYPE_CHECKING:
    from distributed import Client

Text = traitlets.Unicode
AXES = {"cutoff": float, "atom_sigma": float, "zeta": int}


class TensorSearchModel(PanelModel):
    """Values of three settings to be tried in all combinations; the table of `search` as `results`.

    Frames are left out by trajectory, if their info names it, or one by one.
    """

    title = "Search for the best environment"
    hint = "Each cell is a design at its own best regularizations, judged by frames left out of its fit."

    cutoff = p(Text("3, 4, 5"), "basic", "cutoff", "Å", help="values to try")
    atom_sigma = p(Text("0.2, 0.3, 0.5"), "basic", "atom_sigma", "Å", help="values to try")
    zeta = p(Text("1, 2"), "basic", "zeta", help="values to try")

    def __init__(self, frames: Frames, client: Client | None = None, **settings: Any) -> None:
        super().__init__()
        Settings.check_names(settings)
        if twice := sorted(set(settings) & set(AXES)):
            hint = "set the values to search in the panel, as in panel.model.cutoff = '3, 4'"
            raise LabkitError(f"{', '.join(twice)}: {hint}")
        self.frames, self.client, self.base = frames, client, settings
        infos = frames.info if isinstance(frames, Dataset) else [atoms.info for atoms in frames]
        self.groups = [info.get("trajectory", f"frame {k}") for k, info in enumerate(infos)]

    def values(self, name: str) -> list[float]:
        """The numbers in a field; LabkitError for other text."""
        text, kind = getattr(self, name), AXES[name]
        try:
            found = sorted({kind(word) for word in text.replace(",", " ").split()})
        except ValueError:
            raise LabkitError(f"{name} is {text!r}, expected numbers, as in 2, 3") from None
        if not found:
            raise LabkitError(f"{name} has no values; expected numbers, as in 2, 3")
        return found

    def settings(self) -> dict[tuple, dict[str, Any]]:
        """All combinations, by their values."""
        combinations = product(*(self.values(name) for name in AXES))
        return {values: {**self.base, **dict(zip(AXES, values, strict=True))} for values in combinations}

    def make_job(self) -> Job:
        settings = self.settings()
        return Job(search, self.frames, settings, groups=self.groups, client=self.client, name="tensor search")

    def present(self, result: pd.DataFrame) -> None:
        table = flat(result)
        self.show(search_figure(table))
        best = table["error"].idxmin()
        row = table.loc[best]
        words = ", ".join(f"{name} {value:g}" for name, value in zip(AXES, best, strict=True))
        numbers = [f"{row[name]:.3f}" for name in ("error", "error 0", "error 2")]
        noises = [f"{row[name]:.0e}" for name in ("noise 0", "noise 2")]
        head = ["best so far", "error [Å³]", "λ = 0", "λ = 2", "regularization λ = 0", "λ = 2"]
        self.table = html.table(head, [[words, *numbers, *noises]])
        self.note = f"{len(table)} of {len(self.ran.settings())} environments; each with its own best regularizations."

    def script(self) -> str:
        script = Script()
        script.use("labkit.polarizability", "search")
        script.frames("frames", self.frames, label="polarizability")
        fixed = "".join(f", {name}={value!r}" for name, value in self.base.items())
        script.add("settings = {", f"    ({', '.join(AXES)}): dict({', '.join(f'{n}={n}' for n in AXES)}{fixed})")
        if self.results is None or len(self.results) == len(self.settings()):
            script.add(*(f"    for {name} in {self.values(name)}" for name in AXES), "}")
        else:  # stopped
            script.add(f"    for {', '.join(AXES)} in {list(map(tuple, self.results.index))}", "}")
        infos = "frames.info" if isinstance(self.frames, Dataset) else "(atoms.info for atoms in frames)"
        script.add(f'groups = [info.get("trajectory", k) for k, info in enumerate({infos})]  # left out together')
        script.add("table = search(frames, settings, groups=groups)  # client=distributed.Client(): on all cores")
        script.add('print(table.sort_values(("error", "all")))')
        return script.text()

    def frames_used(self) -> dict[str, Any]:
        return {"frames": self.frames}

    def outputs(self, result: pd.DataFrame) -> dict[str, bytes]:
        return {"search.csv": flat(result).to_csv().encode(), "search.png": self.picture}


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `search` over AXES: index cutoff, atom_sigma, zeta; columns error, error 0, noise 0, ..."""
    short = {"error": "error", "regularization": "noise"}
    columns = [short[kind] if part == "all" else f"{short[kind]} {part}" for kind, part in table.columns]
    return pd.DataFrame(table.to_numpy(), pd.MultiIndex.from_tuples(table.index, names=list(AXES)), columns)
