"""Active learning on a pool of frames: the loop, what it cost, contests of strategies, replay."""

from labkit.active.pool.budget import Budget
from labkit.active.pool.cluster import OnCluster, local_client, queue_client
from labkit.active.pool.committee_learner import CommitteeLearner
from labkit.active.pool.gap_learner import GapLearner
from labkit.active.pool.learn import learn, learning
from labkit.active.pool.learned import Learned
from labkit.active.pool.learner import Learner, Refit
from labkit.active.pool.ledger import Ledger
from labkit.active.pool.neural_learner import NeuralLearner
from labkit.active.pool.queue import QueueJob, SimulatedQueue

__all__ = [
    "Budget",
    "CommitteeLearner",
    "GapLearner",
    "Learned",
    "Learner",
    "Ledger",
    "NeuralLearner",
    "OnCluster",
    "QueueJob",
    "Refit",
    "SimulatedQueue",
    "learn",
    "learning",
    "local_client",
    "queue_client",
]
