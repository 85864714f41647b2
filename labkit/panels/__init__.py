"""Panels: live experiments of widgets, each a Model that runs without a screen and a View that shows it."""

from labkit.errors import LabkitError

try:
    import ipywidgets  # noqa: F401
    import matplotlib  # noqa: F401
except ImportError as error:
    raise LabkitError(
        f"panels need {error.name}, which is not installed; install it with: "
        'python -m pip install -e ".[lab,gap,forcefield,trajectories]" -c constraints.txt'
    ) from error

from labkit.panels.data import DataPanel
from labkit.panels.learning import LearningCurvePanel
from labkit.panels.overfit import OverfitPanel
from labkit.panels.structure import StructurePanel
from labkit.panels.timestep import TimestepPanel
from labkit.panels.train import TrainPanel
from labkit.panels.tray import RunTray

__all__ = [
    "DataPanel",
    "LearningCurvePanel",
    "OverfitPanel",
    "RunTray",
    "StructurePanel",
    "TimestepPanel",
    "TrainPanel",
]
