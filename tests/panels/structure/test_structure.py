"""The Structure panel without a screen."""

import io

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from PIL import Image

import labkit
from labkit.errors import LabkitError
from labkit.panels import StructurePanel
from labkit.panels.structure.figure import bonds, cell_edges, picture, rotation


@pytest.fixture(scope="module")
def ice():
    return labkit.datasets.ice("valid", n=6)


def messages(panel, method):
    """What the viewer is going to tell the browser."""
    return [m["args"] for m in panel.viewer.widget._ngl_msg_archive if m["methodName"] == method]


def test_slider_and_model_go_together(ice):
    panel = StructurePanel(ice)
    panel.slider.value = 4
    assert panel.model.index == 4 and "frame 4 of 6 · 12 atoms, H8O4" in panel.words.value
    panel.model.index = 2
    assert panel.slider.value == 2
    with pytest.raises(LabkitError, match="expected 0 to 5"):
        panel.model.index = 6


def test_arrows_are_forces(ice):
    panel = StructurePanel(ice)
    model = panel.model
    assert model.shown_arrows() is None
    model.arrows, model.index = True, 3
    np.testing.assert_allclose(model.shown_arrows() * model.scale, ice[3].forces)
    shapes = [shape for args in messages(panel, "addShape") for shape in args[1]]
    arrows = [s for s in shapes if s[0] == "arrow"]
    assert len(arrows) == (np.linalg.norm(model.shown_arrows(), axis=1) > 0.05).sum() > 5
    start, tip = np.array(arrows[0][1]), np.array(arrows[0][2])
    which = np.argmin(np.linalg.norm(model.atoms[3].positions - start, axis=1))
    np.testing.assert_allclose((tip - start) * model.scale, ice[3].forces[which], atol=1e-12)


def test_cell_is_drawn_and_taken_away(ice):
    panel = StructurePanel(ice)
    assert sum(s[0] == "cylinder" for args in messages(panel, "addShape") for s in args[1]) == 12
    panel.model.cell = False
    assert messages(panel, "addShape") == []


def test_viewer_shows_what_the_still_picture_shows(ice):
    """NGL's matrix turns, about the centre, as the picture's rotation does."""
    panel = StructurePanel(ice)
    ((flat,),) = messages(panel, "set_camera_orientation")
    matrix = np.array(flat).reshape(4, 4).T
    turned = matrix[:3, :3] / np.cbrt(np.linalg.det(matrix[:3, :3]))
    np.testing.assert_allclose(turned, rotation(panel.model.turn, panel.model.tilt), atol=1e-12)
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)


def test_frames_of_other_molecules_are_exchanged():
    panel = StructurePanel([molecule("H2O"), molecule("CH4"), molecule("C6H6")])
    panel.model.index = 2
    (loaded,) = messages(panel, "loadFile")
    assert sum(line.startswith(("ATOM", "HETATM")) for line in loaded[0]["data"].splitlines()) == 12


def test_still_picture_is_drawn_only_while_shown(ice):
    panel = StructurePanel(ice)
    assert panel.model.picture == b"" and panel.still_view.layout.display == "none"
    panel.still.value = True
    one = panel.model.picture
    assert panel.viewer.widget.layout.display == "none" and panel.image.value == one
    panel.model.arrows = True
    two = panel.model.picture
    assert reds(one) > 2000 and greens(two) > greens(one) + 300
    panel.model.turn = 80
    assert panel.model.picture != two


def reds(png):
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3).astype(int)
    return int((pixels[:, 0] > pixels[:, 1:].max(1) + 100).sum())


def greens(png):
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3).astype(int)
    return int((pixels[:, 1] > pixels[:, 0] + 40).sum())


def test_labels_of_atoms_are_taken_without_a_computation():
    atoms = molecule("H2O")
    atoms.calc = EMT()
    assert not StructurePanel(atoms).model.has_forces
    forces = atoms.get_forces()
    panel = StructurePanel(atoms)
    panel.model.arrows = True
    np.testing.assert_allclose(panel.model.shown_arrows() * panel.model.scale, forces)
    assert f"{atoms.get_potential_energy():.3f} eV" in panel.model.describe()


def test_no_frames():
    with pytest.raises(LabkitError, match="no frame to show"):
        StructurePanel([])


def test_near_atoms_hide_far_ones():
    """Two atoms behind each other: the picture shows the colour of the near one."""
    for first, second, red in (("O", "N", False), ("N", "O", True)):
        atoms = Atoms([first, second], [[0, 0, 0], [0, -4, 0]])
        figure = picture(atoms, turn=0, tilt=0)  # the eye looks along +y
        figure.savefig(buffer := io.BytesIO(), format="png")
        assert (reds(buffer.getvalue()) > 500) == red


def test_bonds_and_edges():
    assert len(bonds(molecule("CH3CH2OH"))) == 8
    assert len(bonds(molecule("C6H6"))) == 12
    edges = cell_edges(bulk("Cu"))
    lengths = np.linalg.norm(edges[:, 0] - edges[:, 1], axis=1)
    np.testing.assert_allclose(lengths, 3.61 / np.sqrt(2))
    assert cell_edges(molecule("H2O")).shape == (0, 2, 3)
