"""The shipped frames of ice: sample structures, label them with an oracle, recompute, merge and pack."""

from tools.ice.check import Deviation, check
from tools.ice.dynamics import Dynamics
from tools.ice.guard import Guard, GuardError
from tools.ice.harmonic_samples import harmonic_samples
from tools.ice.labelling import label_frames
from tools.ice.merge import merge
from tools.ice.responses import add_responses

__all__ = [
    "Deviation",
    "Dynamics",
    "Guard",
    "GuardError",
    "add_responses",
    "check",
    "harmonic_samples",
    "label_frames",
    "merge",
]
