"""Tensors learned with their symmetry: polarizabilities, dipoles, Born charges, of cells or of atoms."""

from labkit.polarizability.committee import CommitteePrediction, TensorCommittee
from labkit.polarizability.design import TensorDesign
from labkit.polarizability.labels import with_label
from labkit.polarizability.learning import errors, halves, learning_curve
from labkit.polarizability.model import Prediction, TensorModel
from labkit.polarizability.search import noise_map, search
from labkit.polarizability.settings import Settings
from labkit.polarizability.target import TARGETS, Target

__all__ = [
    "TARGETS",
    "CommitteePrediction",
    "Prediction",
    "Settings",
    "Target",
    "TensorCommittee",
    "TensorDesign",
    "TensorModel",
    "errors",
    "halves",
    "learning_curve",
    "noise_map",
    "search",
    "with_label",
]
