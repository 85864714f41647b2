"""The Spectra panel: infrared, Raman and density of states that grow with the trajectories they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
from ase import Atoms

from labkit.base import Potential
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit.view import Panel, fold
from labkit.panels.spectra.model import SpectraModel
from labkit.spectra import Spectrum, Track
from labkit.spectra.spectra_run import Tensors


class SpectraPanel(Panel):
    """Replicas move at constant energy; polarizability and current along them become spectra with error bands.

    potential       that moves them
    frames          to begin with, one a replica
    polarizability  a committee (or one model) of the cell's polarizability, Å^3
    born_charges    the same of Born charges, e
    minimum         a structure near the minimum, whose harmonic modes are shown as sticks; or None
    values          of parameters, as in `replicas=4, picoseconds=2.0`

    Resolution, window and quantum correction answer at once, on what is stored. `panel.spectra` holds the spectra.

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

    title = "Spectra"
    hint = (
        "Resolution, window and quantum correction answer at once. Continue follows the same replicas for as long "
        "again, Run begins anew."
    )
    groups = ("run", "spectrum", "advanced")

    def __init__(
        self,
        potential: Potential,
        frames: Sequence[Atoms],
        polarizability: Tensors,
        born_charges: Tensors,
        minimum: Atoms | None = None,
        **values: Any,
    ) -> None:
        model = SpectraModel(potential, frames, polarizability, born_charges, minimum, **values)
        self.continue_button = widgets.Button(
            description="Continue", icon="step-forward", tooltip="Follow the same replicas further", disabled=True
        )
        self.continue_button.layout.width = "100px"
        self.continue_button.on_click(lambda _: self._press(model.go_on))
        super().__init__(model)
        model.observe(lambda _: self.code.refresh(), "status")

    @property
    def spectra(self) -> dict[str, Spectrum]:
        """Those shown: infrared, raman_isotropic, raman_anisotropic, density_of_states, and this of each species."""
        return self.model.spectra

    @property
    def track(self) -> Track:
        """What was predicted along the replicas: polarizability, current, velocities."""
        if self.model.results is None:
            raise LabkitError("nothing has run yet; press Run first")
        return self.model.results.response.track

    def go_on(self) -> Job:
        return self.model.go_on()

    def settle(self, timeout: float = 30.0) -> None:
        """Wait until the spectra are those of the controls; raises what failed."""
        self.model.settle(timeout)

    def _buttons(self) -> list[widgets.Widget]:
        return [self.run_button, self.stop_button, self.continue_button]

    def _settings(self) -> widgets.Widget:
        made: list[widgets.Widget] = []
        for group in ("run", "spectrum"):
            made += [widgets.HTML(f"<div class='labkit-hint'><b>{group.capitalize()}</b></div>"), *self.controls(group)]
        return widgets.VBox([*made, fold("Advanced", self.controls("advanced"))])

    def _show_state(self, _: object = None) -> None:
        super()._show_state()
        self.continue_button.disabled = self.run_button.disabled or self.model.results is None
