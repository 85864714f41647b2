"""nglview's live view of one structure, its unit cell and arrows, synchronized with a StructureModel."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
from ase import Atoms
from IPython.utils.capture import capture_output
from matplotlib.colors import to_rgb

from labkit.base.bonds import bonds
from labkit.panels.kit.style import FORCE, VALID
from labkit.panels.structure import nglview_frontend
from labkit.panels.structure.figure import DASH, SHELLS, SPREADS, cell_edges
from labkit.panels.structure.model import StructureModel

nglview_frontend.use_installed()
with capture_output(stdout=False, stderr=False):  # it displays an empty widget, of which a broken chain would remain
    import nglview

GREEN, ORANGE, BLUE, GREY = to_rgb(FORCE), to_rgb(VALID), to_rgb(DASH), [0.55, 0.58, 0.62]
FOG = {"fog_near": 90, "fog_far": 130}  # far atoms are as solid as near ones
DASHES = np.array([[0.12, 0.24], [0.38, 0.5], [0.64, 0.76]])  # of a hydrogen bond, from its hydrogen to the acceptor
#: NGL's camera stands at negative z and looks along +z: its x axis points to the left, its z axis away from the eye.
TURNED = np.diag([-1.0, 1.0, -1.0])
MOST_BONDED = 5000  # atoms, up to which bonds are found in every frame
BONDS = """(() => {
  const part = this.stage.compList[0];
  if (!part || !part.structure) return;
  const structure = part.structure, store = structure.bondStore, [a, b] = [0, 1].map(() => structure.getAtomProxy());
  store.count = 0;
  for ([a.index, b.index] of PAIRS) store.addBond(a, b, 1);
  structure.finalizeBonds();
  structure.signals.refreshed.dispatch();
  part.reprList.forEach(one => one.repr.build());
})()"""
#: NGLView gives its canvas the width that the page had first; a window that becomes narrower would cut it off.
FIT = """(() => {
  let width = 0;
  if (!this.labkitFit) new ResizeObserver(() => {
    if (!this.el.clientWidth || this.el.clientWidth === width) return;
    width = this.el.clientWidth;
    this.handleResize();
  }).observe(this.el);
  this.labkitFit = true;
})()"""
ASPECT = 1.6  # least ratio of width to height of the view on a page


class Viewer:
    """`widget` shows the model's current frame."""

    def __init__(self, model: StructureModel, height: str = "380px") -> None:
        self.model = model
        self.widget = nglview.NGLWidget(**nglview_frontend.versions())
        self.widget.layout.height = height
        self.widget.layout.width = "100%"
        self.widget.add_class("labkit-atoms")
        self.widget.camera = "orthographic"
        self.widget.stage.set_parameters(clip_dist=0, **FOG)
        self.widget._execute_js_code(FIT)
        self._overlay: Any = None
        self._shapes: list = []
        self._orientation: list[float] = []
        self._bonds: list = []
        self._load()
        self._draw_overlay()
        model.observe(self._move, ["index", "exchanged"])
        self.widget.observe(self._on_page, ["loaded", "_ngl_view_id"])
        self.widget.observe(self._on_turn, "_camera_orientation")
        model.observe(lambda _: self._draw_overlay(), ["arrows", "cell", "hydrogen_bonds"])
        model.observe(lambda _: self._orient(), ["turn", "tilt"])

    def close(self) -> None:
        """End NGLView's two threads, which would wait for calls as long as the kernel runs, and keep all this."""

        def end(_: Any) -> None:
            raise SystemExit  # of the thread alone

        for thread in threading.enumerate():
            if getattr(thread, "view", None) is self.widget:
                thread.q.insert(0, end)
        self.widget._event.set()  # it may wait for an answer of the page, which will not come any more

    def _load(self) -> None:
        atoms = self.model.atoms[self.model.index]
        self._numbers, self._middle = atoms.numbers, atoms.cell.array.sum(0) / 2
        self._shaded = _shades(atoms)
        self._structure = self.widget.add_component(_structure(atoms), default_representation=False)
        self._structure.add_ball_and_stick(aspect_ratio=2.2, radius_scale=0.9, **_colours(atoms))
        self._bond()
        self._orient()

    def _bond(self, again: bool = False) -> None:
        """Replace NGL's bonds, which it finds only when it reads a structure, if they have changed or `again`."""
        atoms = self.model.atoms[self.model.index]
        found = bonds(atoms).tolist() if len(atoms) <= MOST_BONDED else self._bonds
        if found != self._bonds or again:
            self._bonds = found
            self.widget._execute_js_code(BONDS.replace("PAIRS", json.dumps(found)), fire_once=True)

    def _orient(self) -> None:
        """Turn and zoom as in the still picture.

        NGL's orientation is a 4 × 4 matrix, by columns: the rotation times the distance of the eye, and minus the
        centre; its camera sees an angle of 40 degrees.
        """
        atoms, view = self.model.atoms[self.model.index], self.model.rotation()
        corners = np.concatenate([atoms.positions, cell_edges(atoms).reshape(-1, 3)])
        centre = (corners.max(0) + corners.min(0)) / 2
        spread = np.abs((corners - centre) @ view.T).max(0) + 1.0
        distance = max(spread[1], spread[0] / ASPECT) / np.tan(np.radians(20))
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = TURNED @ view * distance, -centre
        self.widget._set_camera_orientation(matrix.T.ravel().tolist())

    def _follow_cell(self) -> None:
        """Keep a cell that turns or grows where it was in the view; its origin does not move, but its middle does."""
        middle = self.model.atoms[self.model.index].cell.array.sum(0) / 2
        moved, self._middle = middle - self._middle, middle
        if np.abs(moved).max() < 1e-6:
            return
        if self._orientation:
            *others, x, y, z, last = self._orientation
            self._orientation = [*others, *(np.array([x, y, z]) - moved).tolist(), last]
            self.widget._set_camera_orientation(self._orientation)
        else:
            self._orient()

    def _on_turn(self, change: dict) -> None:
        """The view was turned with the mouse, or a new page tells NGL's first orientation, which turns nothing."""
        if len(change["new"]) != 16:
            return
        turned = np.array(change["new"], dtype=float).reshape(4, 4).T[:3, :3]
        turned = turned / np.cbrt(np.linalg.det(turned))
        if not np.allclose(turned, np.eye(3), atol=1e-6):
            self._orientation = change["new"]
            self.model.view = TURNED @ turned

    def _on_page(self, _: Any) -> None:
        """Show what has changed before the page was ready; it reports so before it has read the structure."""
        late = threading.Timer(1.5, self._show_again)
        late.daemon = True
        late.start()

    def _show_again(self) -> None:
        self._move(None)
        self._bond(again=True)
        if self._orientation:
            self.widget._set_camera_orientation(self._orientation)
        else:
            self._orient()

    def _move(self, _: Any) -> None:
        atoms = self.model.atoms[self.model.index]
        if np.array_equal(atoms.numbers, self._numbers) and np.array_equal(_shades(atoms), self._shaded):
            # before the browser has loaded the structure, exchanging components could leave none
            if self.widget.loaded:
                self.widget.set_coordinates({0: atoms.positions})
                self._bond()
            self._draw_overlay()
            self._follow_cell()
            return
        self._clear_overlay()  # other atoms: the whole structure is exchanged
        self.widget.remove_component(self._structure)
        self._load()
        self._draw_overlay()

    def _draw_overlay(self) -> None:
        """Draw cell and arrows as one component after the structure; only if they have changed."""
        atoms = self.model.atoms[self.model.index]
        edges = cell_edges(atoms) if self.model.cell else []
        shapes = [("cylinder", start.tolist(), end.tolist(), GREY, 0.02) for start, end in edges]
        for arrows, colour in ((self.model.shown_arrows(), GREEN), (self.model.shown_predictions(), ORANGE)):
            if arrows is not None:
                tips = atoms.positions + arrows
                long = np.linalg.norm(arrows, axis=1) > 0.05  # a shorter one would be only a tip
                for start, tip in zip(atoms.positions[long], tips[long], strict=True):
                    shapes.append(("arrow", start.tolist(), tip.tolist(), colour, 0.1))
        for start, end in () if (dashes := self.model.shown_bonds()) is None else dashes:
            for part in start + DASHES[..., None] * (end - start):
                shapes.append(("cylinder", part[0].tolist(), part[1].tolist(), BLUE, 0.04))
        for pieces, colour in self.model.shown_lines():
            shapes += [("cylinder", start.tolist(), end.tolist(), to_rgb(colour), 0.035) for start, end in pieces]
        if shapes == self._shapes:
            return
        self._clear_overlay()
        self._shapes = shapes
        if shapes:
            self._overlay = self.widget._add_shape(shapes, name="cell and forces")

    def _clear_overlay(self) -> None:
        self._shapes = []
        if self._overlay is not None:
            self.widget.remove_component(self._overlay)
            self._overlay = None


def _structure(atoms: Atoms) -> Any:
    """NGL reads the number of a shell, or a spread, where proteins have their B-factor."""
    shades = _shades(atoms)
    if len(shades):
        atoms = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        atoms.set_array("bfactor", shades)
    return nglview.ASEStructure(atoms)


def _shades(atoms: Atoms) -> np.ndarray:
    """The number (n,) that each atom's colour follows; (0,) for colours of elements."""
    if "spread" in atoms.arrays:
        return atoms.arrays["spread"]
    shells = atoms.arrays.get("shell", np.zeros(0))
    return np.minimum(shells, len(SHELLS) - 1).astype(float)


def _colours(atoms: Atoms) -> dict[str, Any]:
    if "spread" in atoms.arrays:
        return {"color_scheme": "bfactor", "color_scale": list(SPREADS), "color_domain": [0.0, 1.0]}
    if "shell" not in atoms.arrays:
        return {}
    return {"color_scheme": "bfactor", "color_scale": list(SHELLS), "color_domain": [0, len(SHELLS) - 1]}
