"""`labkit train RUN.yaml`: neural potentials from TorchMD-Net's training files."""

from labkit.train.command import add_arguments, run
from labkit.train.settings import TrainingFile

__all__ = ["TrainingFile", "add_arguments", "run"]
