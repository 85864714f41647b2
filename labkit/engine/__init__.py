"""The engine: the loop of dynamics, what moves a state, what watches it, and runs that survive being killed."""

from labkit.engine.checkpoint import Checkpoint
from labkit.engine.run import Run
from labkit.engine.simulate import simulate

__all__ = ["Checkpoint", "Run", "simulate"]
