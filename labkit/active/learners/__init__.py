"""Models that a run of active learning fits again after every round."""

from labkit.active.learners.committee_learner import CommitteeLearner
from labkit.active.learners.gap_learner import GapLearner
from labkit.active.learners.learner import Learner, Refit
from labkit.active.learners.neural_learner import NeuralLearner

__all__ = ["CommitteeLearner", "GapLearner", "Learner", "NeuralLearner", "Refit"]
