"""Rules that choose frames from a pool, to be labelled next."""

from labkit.active.selection.choice import Choice
from labkit.active.selection.cluster_diversity import ClusterDiversity
from labkit.active.selection.committee_disagreement import CommitteeDisagreement
from labkit.active.selection.entropy import Entropy
from labkit.active.selection.farthest_point import FarthestPoint
from labkit.active.selection.greedy_determinant import GreedyDeterminant
from labkit.active.selection.maximum_discrepancy import MaximumDiscrepancy
from labkit.active.selection.maximum_variance import MaximumVariance
from labkit.active.selection.maximum_volume import MaximumVolume
from labkit.active.selection.mixed import Mixed
from labkit.active.selection.new_environments import NewEnvironments
from labkit.active.selection.plain_dynamics import PlainDynamics
from labkit.active.selection.pool import Pool
from labkit.active.selection.random_frames import RandomFrames
from labkit.active.selection.rule import Selection
from labkit.active.selection.unlike import Unlike
from labkit.active.selection.within import Within

#: every rule by its name; a new one is a file and a line here. `Within` and `Unlike` go around any of them.
SELECTIONS: dict[str, type[Selection]] = {
    "maximum variance": MaximumVariance,
    "committee disagreement": CommitteeDisagreement,
    "maximum discrepancy": MaximumDiscrepancy,
    "entropy": Entropy,
    "D-optimal, greedy": GreedyDeterminant,
    "D-optimal, maxvol": MaximumVolume,
    "farthest point": FarthestPoint,
    "clusters": ClusterDiversity,
    "mixed": Mixed,
    "new environments": NewEnvironments,
    "random": RandomFrames,
    "plain dynamics": PlainDynamics,
}

__all__ = [
    "SELECTIONS",
    "Choice",
    "ClusterDiversity",
    "CommitteeDisagreement",
    "Entropy",
    "FarthestPoint",
    "GreedyDeterminant",
    "MaximumDiscrepancy",
    "MaximumVariance",
    "MaximumVolume",
    "Mixed",
    "NewEnvironments",
    "PlainDynamics",
    "Pool",
    "RandomFrames",
    "Selection",
    "Unlike",
    "Within",
]
