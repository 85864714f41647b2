"""The script of the Neural panel: the same trainings, by steps instead of seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labkit.neural import Training
from labkit.neural.training.watch import shown
from labkit.panels.kit.script import Script

if TYPE_CHECKING:
    from labkit.panels.neural.model import NeuralModel


def neural_script(model: NeuralModel) -> str:
    """Python that repeats the last run, or does what Run will do."""
    found, script = model.results, Script()
    trainings = found.trainings if found is not None else (model.training(),)
    script.use("labkit.gap", "errors")
    script.use("labkit.neural", "train", "untrained")
    script.frames("train_frames", model.train, model.frames)
    if model.valid is not None:
        script.frames("valid_frames", model.valid)
    script.add(f"potential = untrained(train_frames, {script.call(model.config())})")
    valid = ", valid_frames" if model.valid is not None else ", None"
    for training in trainings:
        script.add(f"trained = train(potential, train_frames{valid}, {script.call(_by_steps(training))})")
    every = shown(model.used())
    script.add(f"print(errors(potential, train_frames{f'[::{every}]' if every > 1 else ''}))")
    script.add(*(["print(errors(potential, valid_frames))"] if model.valid is not None else []))
    script.add('potential.save("neural.safetensors")')
    return script.text()


def _by_steps(training: Training) -> Training:
    """The same settings, without those that the plan replaces."""
    return training if training.plan is None else replace(training, budget=Training().budget, steps=None)
