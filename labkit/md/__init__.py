"""`labkit md run.yaml`: molecular dynamics from TorchMD's run files."""

from labkit.md.command import add_arguments, run
from labkit.md.prepare import Prepared, prepare
from labkit.md.settings import RunSettings

__all__ = ["Prepared", "RunSettings", "add_arguments", "prepare", "run"]
