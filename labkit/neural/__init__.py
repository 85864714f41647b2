"""Neural potentials and their training."""

from labkit.neural.config import NeuralConfig
from labkit.neural.heads import Variances
from labkit.neural.members import dropout_rows, evaluate_members, fewer_rows, predicted_variances
from labkit.neural.networks import schnet, soap_linear, tensornet  # noqa: F401 (each registers its network)
from labkit.neural.potential import NeuralPotential
from labkit.neural.priors import WithPrior, Zbl, load
from labkit.neural.training.committee import TrainedCommittee, train_committee
from labkit.neural.training.loss import Weights
from labkit.neural.training.plan import Plan
from labkit.neural.training.settings import Trained, Training
from labkit.neural.training.start import untrained
from labkit.neural.training.train import train
from labkit.neural.training.watch import watch_training
from labkit.neural.training.watched import WatchedTraining
from labkit.neural.with_head import with_head

__all__ = [
    "NeuralConfig",
    "NeuralPotential",
    "Plan",
    "Trained",
    "TrainedCommittee",
    "Training",
    "Variances",
    "WatchedTraining",
    "Weights",
    "WithPrior",
    "Zbl",
    "dropout_rows",
    "evaluate_members",
    "fewer_rows",
    "load",
    "predicted_variances",
    "train",
    "train_committee",
    "untrained",
    "watch_training",
    "with_head",
]
