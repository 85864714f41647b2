"""`labkit md run.yaml`: molecular dynamics from TorchMD's run files."""

from labkit.md.command import add_arguments, run
from labkit.md.prepare import Prepared, prepare
from labkit.md.settings import Settings

__all__ = ["Prepared", "Settings", "add_arguments", "prepare", "run"]
