"""Neural potentials and their training."""

from labkit.neural import schnet, soap_linear, tensornet  # noqa: F401 (each registers its network)
from labkit.neural.committee import TrainedCommittee, train_committee
from labkit.neural.config import NeuralConfig
from labkit.neural.heads import Variances
from labkit.neural.loss import Weights
from labkit.neural.members import dropout_rows, evaluate_members, fewer_rows, predicted_variances
from labkit.neural.plan import Plan
from labkit.neural.potential import NeuralPotential
from labkit.neural.priors import WithPrior, Zbl, load
from labkit.neural.start import untrained
from labkit.neural.train import train
from labkit.neural.training import Trained, Training
from labkit.neural.training_watch import watch_training
from labkit.neural.watched_training import WatchedTraining
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
