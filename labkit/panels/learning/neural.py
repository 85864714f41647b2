"""The LearningCurve panel of a neural potential, without a screen."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from labkit.base.settings import ModelSettings
from labkit.datasets import Dataset
from labkit.neural import NeuralConfig, Training
from labkit.neural.training.learning import curve_mark, neural_learning_curve
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.gap_terms import CUTOFFS
from labkit.panels.kit.plotted import Pointer
from labkit.panels.kit.script import Script
from labkit.panels.learning.model import LearningModel

if TYPE_CHECKING:
    from distributed import Client

Float, Int = traitlets.Float, traitlets.Int
OF_NETWORK, OF_TRAINING = ("cutoff", "channels", "layers"), ("rate", "budget")


class NeuralLearningModel(LearningModel):
    """As LearningModel, of trainings of a neural potential; each one has the same budget or the same steps.

    A dot has no model to show: it would have to be trained again.
    """

    hint = "How does the error fall as frames are added? Say what you expect, then press Run."

    cutoff = p(
        Float(), "settings", "cutoff", "Å", range=(2.0, 6.0, 0.1), limits=CUTOFFS, help="atoms send messages up to here"
    )
    channels = p(Int(), "settings", "channels", range=(8, 128, 8), help="features of each atom")
    layers = p(Int(), "settings", "layers", range=(0, 3, 1), limits=(0, 20), help="how often atoms exchange messages")
    rate = p(Float(), "settings", "learning rate", range=(1e-4, 1.0, 0.1), log=True, help="its largest value")
    budget = p(Float(), "settings", "budget", "s", range=(5.0, 300.0, 5.0), help="of each training")
    steps = p(Int(), "settings", "steps", help="of each training, in place of the budget; 0: by the budget")
    n_max = l_max = n_sparse = sigma_energy = sigma_force = None  # of a GAP
    usual: ClassVar[ModelSettings] = NeuralConfig()

    def __init__(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        config: NeuralConfig | None = None,
        *,
        training: Training | None = None,
        sizes: list[int] | None = None,
        client: Client | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> None:
        self.base_training = training or Training(budget=20.0)
        super().__init__(train, valid, config, sizes=sizes, client=client, checkpoint=checkpoint)

    def _show_config(self) -> None:
        for name in OF_NETWORK:
            setattr(self, name, getattr(self.base, name))
        for name in OF_TRAINING:
            setattr(self, name, getattr(self.base_training, name))
        self.steps = self.base_training.steps or 0

    def config(self) -> NeuralConfig:
        return self.base.replace(**{name: getattr(self, name) for name in OF_NETWORK})

    def training(self) -> Training:
        """The settings of each training; raises LabkitError if they are invalid."""
        values = {name: getattr(self, name) for name in OF_TRAINING}
        return replace(self.base_training, **values, steps=self.steps or None)

    def work(self, config: ModelSettings) -> tuple[Any, ...]:
        return neural_learning_curve, self.train, config, self.valid, self.training()

    def mark(self, config: ModelSettings) -> str:
        return curve_mark(self.train, config, self.valid, self.training())

    def call(self, script: Script, options: str) -> str:
        script.use("labkit.neural.training.learning", "neural_learning_curve")
        valid = ", valid" if self.valid is not None else ", None"
        rest = options.removeprefix(", valid")
        training = script.call(self.training())
        return f"*_, curve = neural_learning_curve(train, config{valid}, {training}{rest})"

    def press(self, at: Pointer) -> None:
        """A click does nothing."""

    def _is_dot(self, at: Pointer) -> bool:
        return False
