"""Neural potentials and their training."""

from labkit.neural import schnet, soap_linear, tensornet  # noqa: F401 (each registers its network)
from labkit.neural.config import NeuralConfig
from labkit.neural.loss import Weights
from labkit.neural.plan import Plan
from labkit.neural.potential import NeuralPotential
from labkit.neural.start import untrained
from labkit.neural.train import train
from labkit.neural.training import Trained, Training
from labkit.neural.training_watch import watch_training
from labkit.neural.watched_training import WatchedTraining

__all__ = [
    "NeuralConfig",
    "NeuralPotential",
    "Plan",
    "Trained",
    "Training",
    "WatchedTraining",
    "Weights",
    "train",
    "untrained",
    "watch_training",
]
