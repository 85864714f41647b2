"""Active learning on a pool of frames: the loop, its budget, the ledger of what it cost, and queues."""

from labkit.active.pool.budget import Budget
from labkit.active.pool.cluster import OnCluster, local_client, queue_client
from labkit.active.pool.learn import learn, learning
from labkit.active.pool.learned import Learned
from labkit.active.pool.ledger import Call, Ledger
from labkit.active.pool.queue import QueueJob, SimulatedQueue
from labkit.active.pool.round import Round, RoundPlan

__all__ = [
    "Budget",
    "Call",
    "Learned",
    "Ledger",
    "OnCluster",
    "RoundPlan",
    "QueueJob",
    "Round",
    "SimulatedQueue",
    "learn",
    "learning",
    "local_client",
    "queue_client",
]
