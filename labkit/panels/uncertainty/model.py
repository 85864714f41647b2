"""The Uncertainty panel without a screen: kinds of σ, how they are rescaled, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from labkit.active.calibration import Samples
from labkit.active.calibration.held_out import HeldOut, held_out
from labkit.active.calibration.judged import AUTOMATIC, BY_HAND, NONE, OTHER_HALF, TEST, Judged, judge
from labkit.active.kinds import kinds_of
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError, suggest
from labkit.jobs import Job
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.plotted import Pointer
from labkit.panels.uncertainty.figure import SPECIES, uncertainty_figure
from labkit.panels.uncertainty.picked import PickedAtom, picked_atom
from labkit.panels.uncertainty.script import potential_files, uncertainty_script
from labkit.panels.uncertainty.summary import table_of, words_of

Float, Int, Text = traitlets.Float, traitlets.Int, traitlets.Unicode
ATOM, FRAME = "atom", "frame"


class UncertaintyModel(PanelModel):
    """The kind of σ and its rescaling; `results` are HeldOut samples by kind, `judged` is what is shown.

    kinds   name of a choice -> (name of the potential, kind of uncertainty)
    picked  the atom that was clicked, or None
    """

    title = "How far can a σ be trusted?"
    hint = (
        "Each point is the error of a force beside its σ, on frames that neither the potential nor the rescaling has "
        "seen. All settings take effect at once. Click a point to see its atom."
    )
    continue_hint = "The kinds that Stop has left out"
    open_groups = 2

    kind = p(
        Text(),
        "uncertainty",
        "kind of σ",
        options=[""],
        at_once=True,
        help="of which potential, and how it is computed",
    )
    per = p(
        Text(ATOM),
        "uncertainty",
        "per",
        options=[ATOM, FRAME],
        at_once=True,
        help="each atom, or the worst atom of a frame",
    )
    bound = p(
        Float(0.2),
        "uncertainty",
        "bound",
        "eV/Å",
        range=(0.01, 5.0, 0.05),
        log=True,
        at_once=True,
        help="errors above it are to be found",
    )
    rescaling = p(
        Text(NONE), "rescaling", "rescaling", options=[NONE, BY_HAND, *AUTOMATIC], at_once=True,
        help="fitted to the errors of one half of the validation frames",
    )  # fmt: skip
    factor = p(
        Float(1.0),
        "rescaling",
        "factor",
        range=(0.01, 100.0, 0.02),
        log=True,
        live=True,
        at_once=True,
        help="by hand: σ' = factor · σ",
    )
    by = p(
        Text("trajectory"), "rescaling", "halves by", options=["trajectory", "random"], at_once=True,
        help="frames of one trajectory are alike: random halves look better than they are",
    )  # fmt: skip
    on = p(
        Text(OTHER_HALF),
        "rescaling",
        "judged on",
        options=[OTHER_HALF, TEST],
        at_once=True,
        help="frames in the picture",
    )
    seed = p(Int(0), "advanced", "seed", at_once=True, help="of the halves")
    picked = traitlets.Instance(PickedAtom, allow_none=True)
    judged = traitlets.Instance(Judged, allow_none=True)

    def __init__(
        self,
        potentials: Mapping[str, Potential] | Potential,
        train: Dataset,
        valid: Dataset,
        test: Dataset | None = None,
    ) -> None:
        super().__init__()
        given = dict(potentials) if isinstance(potentials, Mapping) else {"": potentials}
        for name, frames in (("training", train), ("validation", valid)):
            if not len(frames):
                raise LabkitError(f"the {name} set is empty; expected frames with forces")
        self.potentials, self.train, self.valid, self.test = given, train, valid, test
        self.kinds = {
            f"{name}: {kind}" if name else kind: (name, kind)
            for name, potential in given.items()
            for kind in kinds_of(potential, train)
        }
        if not self.kinds:
            kinds = " and ".join(type(each).__name__ for each in given.values())
            raise LabkitError(
                f"no kind of uncertainty for {kinds or 'no potential'}; give a GAP, a neural potential or a Committee"
            )
        self.traits()["kind"].metadata["how"]["options"] = list(self.kinds)
        self.traits()["on"].metadata["how"]["options"] = [OTHER_HALF, *([TEST] if test is not None else [])]
        self.kind = next(iter(self.kinds))
        self._again = self.follow(self._show_again, "uncertainty figure")
        self.observe(lambda _: self._again.ask() if self.results is not None else None, parameters(self))

    @property
    def frames(self) -> bool:
        """Whether the worst atom of each frame is judged."""
        return self.per == FRAME

    def follows(self, name: str) -> bool:
        return super().follows(name) and (name != "kind" or self.kind in self.results)

    def make_job(self) -> Job:
        if self.kind not in self.kinds:
            raise LabkitError(
                f"kind of σ {self.kind!r}; expected {', '.join(self.kinds)}{suggest(self.kind, self.kinds)}"
            )
        found: dict[str, HeldOut] = dict(self.results) if self.continuing else {}
        if len(found) == len(self.kinds):
            raise LabkitError("all kinds have been evaluated; choose one, or press Run to evaluate them again")
        order = sorted(self.kinds, key=lambda label: label != self.kind)
        kinds = {label: self.kinds[label] for label in order}
        data = self.train, self.valid, self.test
        return Job(held_out, self.potentials, kinds, *data, found=found, name="uncertainty")

    def present(self, result: dict[str, HeldOut]) -> None:
        with self._drawing:
            if self.kind not in result:
                self.note = f"{self.kind} has not been evaluated; press Continue."
                return
            settings = {name: getattr(self, name) for name in parameters(self)}
            judged = judge(
                result[self.kind], self.rescaling, factor=self.factor, by=self.by, on=self.on, frames=self.frames,
                bound=self.bound, seed=self.seed,
            )  # fmt: skip
            if self.judged is not None and not np.array_equal(judged.samples.frame, self.judged.samples.frame):
                self.picked = None
            self.judged = judged
            self.show(uncertainty_figure(judged, self.bound))
            self.table, self.note = table_of(judged), words_of(judged.rescaling, judged.samples.unit)
            self.ran = self.ran.frozen(**settings, judged=judged)

    def shown_frames(self) -> Dataset:
        """The frames that the picture's samples are of, by their numbers."""
        return self.test if self.ran.on == TEST and self.test is not None else self.valid

    def script(self) -> str:
        return uncertainty_script(self)

    def frames_used(self) -> dict[str, Any]:
        return {"train": self.train, "valid": self.valid} | ({"test": self.test} if self.on == TEST else {})

    def outputs(self, result: dict[str, HeldOut]) -> dict[str, bytes]:
        if self.judged is None:
            return {}
        samples: Samples = self.judged.samples
        columns = {"frame": samples.frame, "run": samples.run, "species": samples.species}
        csv = pd.DataFrame(columns | {"error_eV_per_A": samples.errors, f"sigma_{samples.unit}": samples.sigmas})
        files = {"errors.csv": csv.to_csv(index=False).encode(), "measures.csv": self.judged.table.to_csv().encode()}
        whose, _ = self.kinds[self.kind]
        return files | {"uncertainty.png": self.picture} | potential_files(self.potentials[whose])

    def action(self, at: Pointer) -> str:
        return "show this atom" if self._sample_at(at) is not None else super().action(at)

    def press(self, at: Pointer) -> None:
        sample = self._sample_at(at)
        if sample is None:
            super().press(at)
        else:
            potential = self.potentials[self.kinds[self.ran.kind][0]]
            self.picked = picked_atom(self.judged.samples, sample, self.shown_frames(), potential, self.train)

    def _sample_at(self, at: Pointer) -> int | None:
        """The number of the sample of a point; of a frame, that of the atom with the largest error."""
        if self.judged is None or at.axes != "errors" or at.hit is None or not at.hit.name.startswith(SPECIES):
            return None
        samples = self.judged.samples
        if self.judged.frames:
            mine = np.flatnonzero(samples.frame == np.unique(samples.frame)[at.hit.index])
            return int(mine[samples.errors[mine].argmax()])
        return int(np.flatnonzero(samples.species == at.hit.name.removeprefix(SPECIES).strip())[at.hit.index])

    def _show_again(self) -> None:
        self.message = ""
        self.present(self.results)
