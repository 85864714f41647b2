"""The Spectra panel: infrared, Raman and density of states that grow with the trajectories they come from."""

from __future__ import annotations

import ipywidgets as widgets

from labkit.panels.kit.view import Panel
from labkit.panels.spectra.mode import ModeView
from labkit.panels.spectra.model import SpectraModel
from labkit.spectra import Spectrum, Track

__all__ = ["SpectraPanel"]


class SpectraPanel(Panel):
    """Spectra with error bands, from polarizability and current along replicas at constant energy.

    potential       of the replicas
    frames          initial frames, one per replica
    polarizability  a committee (or one model) of the cell's polarizability, Å^3; None: no Raman spectrum
    born_charges    the same of Born charges, e; None: no infrared spectrum
    minimum         a structure near the minimum, whose harmonic modes are shown as sticks; or None
    values          of parameters, as in `replicas=4, picoseconds=2.0`

    Resolution, window and quantum correction act at once, on the stored data. `panel.spectra` holds the spectra.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> from labkit.polarizability import TensorDesign, with_label
    >>> train = labkit.datasets.ice("train", n=30)
    >>> gap = Design.build(train, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20), sigma_virial=None)).solve()
    >>> labelled, small = with_label(train, "born_charges")[:8], {"n_max": 2, "l_max": 2, "n_features": 8}
    >>> alpha = TensorDesign.build(labelled, **small).committee(1e-4)
    >>> charges = TensorDesign.build(labelled, "born_charges", n_sparse=10, **small).committee(1e-4)
    >>> panel = SpectraPanel(gap, train.atoms, alpha, charges, replicas=2, picoseconds=0.12, equilibration=0.0)
    >>> job = panel.run()
    >>> panel.job.wait(60).state.loop_step, sorted(panel.spectra)[:3]
    (240, ['density_of_states', 'density_of_states_H', 'density_of_states_O'])
    """

    model_type = SpectraModel

    def _below(self) -> list[widgets.Widget]:
        return [ModeView(self.model)]

    @property
    def spectra(self) -> dict[str, Spectrum]:
        """Spectra shown: infrared, raman_isotropic, raman_anisotropic, density_of_states, and that of each species."""
        return self.model.spectra

    @property
    def track(self) -> Track:
        """Predictions along the replicas: polarizability, current, velocities."""
        return self.model.found().response.track
