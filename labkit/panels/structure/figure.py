"""Atoms as a still picture: shaded discs and bonds, drawn from back to front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, Polygon

from labkit.base.bonds import bonds
from labkit.panels.kit.style import FORCE, MUTED, VALID, new_figure

SIZE = 0.55  # radius of a disc over the covalent radius
BOND = 0.11  # Å, half the width of a bond
DASH = "#4a86c5"  # of hydrogen bonds
SPREADS = ("#f5ecd2", "#e9a13b", "#8c1d18")  # from the most to the least certain atom
SHELLS = ("#8c1d18", "#e07b39", "#f4cf6a", "#d5dae0")  # from the chosen atom outwards; the last one for all beyond


def rotation(turn: float, tilt: float) -> np.ndarray:
    """Rows are the screen's x, y and the direction to the eye (3, 3), after turning about z and tilting, in degrees."""
    a, b = np.radians(turn), np.radians(tilt - 90)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_x @ about_z


def picture(
    atoms: Atoms,
    arrows: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    *,
    cell: bool = True,
    turn: float = 20,
    tilt: float = 12,
    view: np.ndarray | None = None,
    dashes: np.ndarray | None = None,
    lines: Sequence[tuple[np.ndarray, str]] = (),
) -> Figure:
    """Draw atoms, with green `arrows` and orange `predictions` (n, 3) Å from each of them, and the unit cell.

    view    rotation (3, 3) as of `rotation`, in place of the angles
    dashes  segments (m, 2, 3) Å, such as hydrogen bonds
    lines   pieces (k, 2, 3) Å and their colour
    """
    view = rotation(turn, tilt) if view is None else view
    where = atoms.positions @ view.T
    figure = new_figure(5.4, 4.0)
    figure.set_facecolor("none")  # a page of any colour is seen through
    axes = figure.add_subplot()
    axes.set_aspect("equal")
    axes.set_axis_off()
    edges = cell_edges(atoms) @ view.T if cell else np.zeros((0, 2, 3))
    for start, end in edges:
        axes.plot(*zip(start[:2], end[:2], strict=True), color=MUTED, linewidth=0.8, alpha=0.7, zorder=1)
    for start, end in () if dashes is None else dashes @ view.T:
        axes.plot(*zip(start[:2], end[:2], strict=True), "--", color=DASH, linewidth=1.1, zorder=1.5)
    patches = sorted([*_spheres(atoms, where), *_bonds(atoms, where)], key=lambda item: item[0])
    axes.add_collection(PatchCollection([patch for _, patch in patches], match_original=True, zorder=2))
    reached = [where, edges.reshape(-1, 3)]
    for vectors, colour in ((arrows, FORCE), (predictions, VALID)):
        if vectors is not None:
            tips = vectors @ view.T
            axes.quiver(
                where[:, 0], where[:, 1], tips[:, 0], tips[:, 1], color=colour, angles="xy", scale_units="xy", scale=1,
                width=0.008, zorder=3,
            )  # fmt: skip
            reached.append(where + tips)
    for pieces, colour in lines:
        seen = pieces @ view.T
        axes.add_collection(LineCollection(seen[..., :2], colors=colour, linewidths=1.3, zorder=3))
        reached.append(seen.reshape(-1, 3))
    corners = np.concatenate(reached)[:, :2]
    low, high = corners.min(0) - 1.0, corners.max(0) + 1.0
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return figure


def cell_edges(atoms: Atoms) -> np.ndarray:
    """The twelve edges of the unit cell (12, 2, 3) in Å, or none (0, 2, 3) without a cell."""
    if atoms.cell.rank < 3:
        return np.zeros((0, 2, 3))
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    pairs = [(a, b) for a in range(8) for b in range(a) if np.abs(corners[a] - corners[b]).sum() == 1]
    return corners[np.array(pairs)] @ atoms.cell.array


def colours(atoms: Atoms) -> np.ndarray:
    """Red, green and blue (n, 3), 0 to 1: of the element, or by atoms.arrays "shell" or "spread" (0 to 1)."""
    shell, spread = atoms.arrays.get("shell"), atoms.arrays.get("spread")
    if spread is not None:
        scale = np.array([to_rgb(name) for name in SPREADS])
        return np.stack([np.interp(spread, np.linspace(0, 1, len(scale)), channel) for channel in scale.T], 1)
    if shell is None:
        return jmol_colors[atoms.numbers]
    return np.array([to_rgb(name) for name in SHELLS])[np.minimum(shell, len(SHELLS) - 1)]


def _spheres(atoms: Atoms, where: np.ndarray) -> list[tuple[float, Patch]]:
    items = []
    for z, colour, (x, y, depth) in zip(atoms.numbers, colours(atoms), where, strict=True):
        radius = SIZE * covalent_radii[z]
        items.append((depth, Circle((x, y), radius, facecolor=0.86 * colour, edgecolor=0.45 * colour, linewidth=0.7)))
        # Smaller, lighter discs towards the light make it look round.
        for k, lighter in enumerate((0.25, 0.6), 1):
            shift = 0.14 * k * radius
            glow = Circle(
                (x - shift, y + shift),
                radius * (1 - 0.32 * k),
                facecolor=colour + lighter * (1 - colour),
                edgecolor="none",
                alpha=0.5,
            )
            items.append((depth + 1e-6 * k, glow))
    return items


def _bonds(atoms: Atoms, where: np.ndarray) -> list[tuple[float, Patch]]:
    items, of_atoms = [], colours(atoms)
    for i, j in bonds(atoms):
        middle = (where[i] + where[j]) / 2
        for end in (i, j):
            along = middle[:2] - where[end, :2]
            normal = BOND * np.array([-along[1], along[0]]) / max(np.linalg.norm(along), 1e-9)
            corners = [where[end, :2] + normal, middle[:2] + normal, middle[:2] - normal, where[end, :2] - normal]
            colour = 0.8 * of_atoms[end]
            # Half a bond lies a little behind its atom, so that the disc covers its end.
            depth = 0.5 * (where[end, 2] + middle[2]) - 0.05
            items.append((depth, Polygon(corners, facecolor=colour, edgecolor="none")))
    return items
