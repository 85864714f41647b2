"""Make labelled frames: sample structures, label them with an oracle, recompute and pack what is shipped."""

from labkit.datasets.generate.check import Deviation, check
from labkit.datasets.generate.dynamics import Dynamics
from labkit.datasets.generate.guard import Guard, GuardError
from labkit.datasets.generate.labelling import label_frames
from labkit.datasets.generate.merge import merge
from labkit.datasets.generate.normal_modes import NormalModes
from labkit.datasets.generate.responses import add_responses
from labkit.oracles import CalculatorOracle, Espresso, MissingProgram, Oracle

__all__ = [
    "CalculatorOracle",
    "Deviation",
    "Dynamics",
    "Espresso",
    "Guard",
    "GuardError",
    "MissingProgram",
    "NormalModes",
    "Oracle",
    "add_responses",
    "check",
    "label_frames",
    "merge",
]
