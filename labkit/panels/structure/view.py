"""The Structure panel: atoms to turn with the mouse, their forces, a trajectory with a slider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
import traitlets
from ase import Atoms

from labkit.datasets import Dataset
from labkit.panels.kit import html, still
from labkit.panels.kit.figure_widget import FigureWidget
from labkit.panels.kit.replaced import Replaced
from labkit.panels.kit.style import CSS
from labkit.panels.structure.model import StructureModel

if TYPE_CHECKING:
    from labkit.panels.structure.viewer import Viewer

# In a browser without WebGL the live view stays empty: then this presses the button of the still picture.
WITHOUT_WEBGL = """<img src="data:," style="display:none" onerror="
  const canvas = document.createElement('canvas');
  if (!canvas.getContext('webgl2') && !canvas.getContext('webgl')) setTimeout(() => {
    const button = this.closest('.labkit')?.querySelector('.labkit-still');
    if (button && !button.classList.contains('mod-active')) button.click();
  }, 300);">"""


class StructurePanel(Replaced):
    """A view of atoms: `StructurePanel(frames)` with an ase.Atoms, a list of them or a Dataset.

    Turn with the mouse; a slider selects the frame; arrows are forces; Picture shows a still picture, which needs no 3D
    in the browser and is the default if nglview is not installed. A `growing` panel receives more frames by
    `model.append`.

    >>> from ase.build import molecule
    >>> panel = StructurePanel([molecule("H2O"), molecule("CH4")])
    >>> panel.model.index = 1
    >>> panel.model.describe()
    'frame 1 of 2 · 5 atoms, CH₄'
    """

    def __init__(
        self,
        frames: Dataset | Sequence[Atoms] | Atoms,
        title: str = "",
        *,
        growing: bool = False,
        height: str = "380px",
    ) -> None:
        self.model = model = StructureModel(frames)
        self.growing = growing
        self.title, self.viewer = title, _viewer(model, height)
        self.image = FigureWidget(layout=widgets.Layout(max_width="640px", width="100%"))
        self.image.add_class("labkit-atoms-picture")
        self.words = widgets.HTML()
        self.words.add_class("labkit-atoms-words")
        traitlets.dlink((model, "picture"), (self.image, "value"))
        self.view = self.viewer.widget if self.viewer is not None else widgets.HTML()
        self.still = _toggle(model, "still", "Picture", "image")
        self.still.add_class("labkit-still")
        model.observe(self._show, ["index", "exchanged", "arrows", "still"])
        head = widgets.HTML(CSS + (html.head(title, "") if title else "") + WITHOUT_WEBGL)
        card = widgets.VBox([head, self._bar(), self.view, self._still_view(), self.words])
        card.add_class("labkit-card")
        self._show()
        super().__init__([card])
        self.add_class("labkit")
        model.observe(lambda _: self.rest_soon(), ["index", "arrows", "cell", "hydrogen_bonds", "view", "count"])

    def still_parts(self) -> list[str]:
        picture = still.picture(self.model.drawn(), self.image.alt, paper=True)
        return [still.heading(self.title), picture, still.faint(self.model.describe())]

    def let_go(self) -> None:
        if self.viewer is not None:
            self.viewer.close()
        super().let_go()

    def _bar(self) -> widgets.HBox:
        model, parts = self.model, []
        if len(model.atoms) > 1 or self.growing:
            self.play = play = widgets.Play(min=0, interval=250, show_repeat=False)
            self.slider = widgets.IntSlider(min=0, description="frame")
            for one in (play, self.slider):
                traitlets.dlink((model, "count"), (one, "max"), lambda count: count - 1)
            self.slider.style.description_width = "44px"
            widgets.jslink((play, "value"), (self.slider, "value"))
            traitlets.link((model, "index"), (self.slider, "value"))
            play.layout.width, self.slider.layout.width = "76px", "230px"
            parts += [play, self.slider]
        if model.has_forces or self.growing:
            parts.append(_toggle(model, "arrows", "Forces", "long-arrow-right"))
        if any(atoms.cell.rank == 3 for atoms in model.atoms):
            parts.append(_toggle(model, "cell", "Cell", "cube"))
        if model.may_have_hydrogen_bonds:
            parts.append(_toggle(model, "hydrogen_bonds", "H bonds", "ellipsis-h"))
        parts.append(self.still)
        return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))

    def _still_view(self) -> widgets.VBox:
        sliders = []
        for name, limit in (("turn", 180), ("tilt", 90)):
            slider = widgets.IntSlider(min=-limit, max=limit, description=name, continuous_update=False)
            slider.style.description_width = "44px"
            traitlets.link((self.model, name), (slider, "value"))
            sliders.append(slider)
        self.still_view = widgets.VBox([self.image, widgets.HBox(sliders)])
        return self.still_view

    def _show(self, _: object = None) -> None:
        still = self.model.still
        self.words.value = html.hint(self.model.describe())
        self.image.alt = f"{self.title or 'Atoms'}, a picture: {self.model.describe()}"
        self.view.layout.display = "none" if still else "block"
        self.still_view.layout.display = "flex" if still else "none"


def _viewer(model: StructureModel, height: str) -> Viewer | None:
    """The live view; without nglview, None, and the still picture in its place."""
    try:
        from labkit.panels.structure.viewer import Viewer
    except ImportError:
        model.still = True
        return None
    return Viewer(model, height)


def _toggle(model: StructureModel, trait: str, label: str, icon: str) -> widgets.ToggleButton:
    button = widgets.ToggleButton(description=label, icon=icon, layout=widgets.Layout(width="84px", padding="0 2px"))
    traitlets.link((model, trait), (button, "value"))
    return button
