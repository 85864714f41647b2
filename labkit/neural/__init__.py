"""Neural potentials and their training."""

from labkit.neural import schnet, soap_linear, tensornet  # noqa: F401 (each registers its network)
from labkit.neural.config import NeuralConfig
from labkit.neural.loss import Weights
from labkit.neural.plan import Plan
from labkit.neural.potential import NeuralPotential
from labkit.neural.start import untrained
from labkit.neural.train import train
from labkit.neural.training import Trained, Training

__all__ = ["NeuralConfig", "NeuralPotential", "Plan", "Trained", "Training", "Weights", "train", "untrained"]
