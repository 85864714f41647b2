"""The Structure panel without a screen."""

import io
import json
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from matplotlib.colors import to_rgb
from PIL import Image

import labkit
from labkit.base.bonds import bonds, hydrogen_bonds
from labkit.errors import LabkitError
from labkit.panels import StructurePanel
from labkit.panels.structure.figure import SHELLS, cell_edges, colours, picture, rotation


@pytest.fixture(scope="module")
def ice():
    return labkit.datasets.ice("valid", n=6)


def messages(panel, method):
    """What the viewer is going to tell the browser."""
    return [m["args"] for m in panel.viewer.widget._ngl_msg_archive if m["methodName"] == method]


def test_slider_and_model_go_together(ice):
    panel = StructurePanel(ice)
    panel.slider.value = 4
    assert panel.model.index == 4 and "frame 4 of 6 · 12 atoms, (H₂O)₄" in panel.words.value
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
    """NGL's matrix turns, about the centre, as the picture's rotation does; its camera looks along +z."""
    panel = StructurePanel(ice)
    ((flat,),) = messages(panel, "set_camera_orientation")
    matrix = np.array(flat).reshape(4, 4).T
    turned = matrix[:3, :3] / np.cbrt(np.linalg.det(matrix[:3, :3]))
    expected = rotation(panel.model.turn, panel.model.tilt)
    np.testing.assert_allclose(np.diag([-1, 1, -1]) @ turned, expected, atol=1e-12)  # in a browser: test_viewer.py
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


def bonds_sent(panel):
    """The pairs of the last bonds that the viewer would get."""
    codes = [
        c._ngl_msg["args"][0] for c in panel.viewer.widget._callbacks_before_loaded if c._method_name == "executeCode"
    ]
    return json.loads(re.search(r"of (\[.*\])\) store", codes[-1]).group(1))


def test_bonds_are_found_in_every_frame():
    whole = molecule("H2O")
    torn = whole.copy()
    torn.positions[1] += [0, 3, 0]
    panel = StructurePanel([whole, torn])
    assert sorted(map(sorted, bonds_sent(panel))) == [[0, 1], [0, 2]]
    panel.viewer.widget.loaded = True
    panel.viewer.widget.set_coordinates = lambda coordinates: None
    sent = []
    panel.viewer.widget._execute_js_code = lambda code, **how: sent.append(code)
    panel.model.index = 1
    assert len(sent) == 1 and "[[0, 2]]" in sent[0]
    panel.model.index = 0
    assert len(sent) == 2


def test_nothing_is_cut_off_near_the_eye(ice):
    """NGL would hide what is nearer than 10 Å to its camera: a whole small molecule, or all when zooming in."""
    for frames in (molecule("C6H6"), ice):
        parameters = [
            m["kwargs"] for m in StructurePanel(frames).viewer.widget._ngl_msg_archive if "clipDist" in m["kwargs"]
        ]
        assert [one["clipDist"] for one in parameters] == [0]


def test_picture_and_live_view_share_their_orientation(ice):
    panel = StructurePanel(ice)
    view = panel.viewer.widget
    ((flat,),) = messages(panel, "set_camera_orientation")
    view._camera_orientation = flat
    np.testing.assert_allclose(panel.model.rotation(), rotation(20, 12), atol=1e-12)
    turned = rotation(70, -30)
    matrix = np.eye(4)
    matrix[:3, :3] = 9.0 * np.diag([-1, 1, -1]) @ turned
    view._camera_orientation = matrix.T.ravel().tolist()  # as after a turn with the mouse
    np.testing.assert_allclose(panel.model.rotation(), turned, atol=1e-12)
    matrix[:3, :3] = 30.0 * np.eye(3)
    view._camera_orientation = matrix.T.ravel().tolist()  # as of a page that was reloaded
    np.testing.assert_allclose(panel.model.rotation(), turned, atol=1e-12)
    panel.model.turn = 50
    np.testing.assert_allclose(panel.model.rotation(), rotation(50, 12), atol=1e-12)
    last = np.array(messages(panel, "set_camera_orientation")[-1][0]).reshape(4, 4).T[:3, :3]
    np.testing.assert_allclose(np.diag([-1, 1, -1]) @ last / np.cbrt(np.linalg.det(last)), rotation(50, 12), atol=1e-12)


def test_a_cell_that_turns_stays_where_it_is_in_the_view():
    crystal = labkit.datasets.ice("minimum").atoms[0]
    turned = crystal.copy()
    turned.rotate(90, "y", rotate_cell=True)
    shift = (turned.cell.array - crystal.cell.array).sum(0) / 2
    for mouse in (None, [9.0, 0, 0, 0, 0, 0, 9.0, 0, 0, -9.0, 0, 0, 0.5, 0.6, 0.7, 1]):
        panel = StructurePanel([crystal, turned])
        centre = -np.array(messages(panel, "set_camera_orientation")[-1][0][12:15])
        if mouse is not None:  # moved and turned with it
            panel.viewer.widget._camera_orientation, centre = mouse, -np.array(mouse[12:15])
        panel.model.index = 1
        found = messages(panel, "set_camera_orientation")[-1][0]
        np.testing.assert_allclose(-np.array(found[12:15]), centre + shift, atol=1.0 if mouse is None else 1e-9)
        assert mouse is None or found[:12] == mouse[:12]


def test_frames_that_are_added_are_whole():
    water = Atoms("OHH", [[0.1, 0.1, 0.1], [9.2, 0.1, 0.1], [0.1, 1.0, 0.1]], cell=[10, 10, 10], pbc=True)
    panel = StructurePanel(water, growing=True)
    panel.model.append(water)
    for atoms in panel.model.atoms:
        assert len(bonds(atoms)) == 2


def test_hydrogen_bonds_of_ice(ice):
    """Every molecule gives two and takes two, across the faces of the cell as well; none without being asked."""
    crystal = labkit.datasets.ice("minimum").atoms[0]
    found = hydrogen_bonds(crystal)
    lengths = np.linalg.norm(found[:, 1] - found[:, 0], axis=1)
    assert len(found) == 8 and lengths.min() > 1.5 and lengths.max() < 2.1
    assert {len(hydrogen_bonds(atoms)) for atoms in ice.atoms} <= {6, 7, 8}  # warm: a bent one may be none
    turned = crystal.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    assert len(hydrogen_bonds(turned)) == 8
    panel = StructurePanel(crystal)
    cell = sum(s[0] == "cylinder" for args in messages(panel, "addShape") for s in args[1])
    before = panel.model.drawn()
    panel.model.hydrogen_bonds = True
    dashes = sum(s[0] == "cylinder" for args in messages(panel, "addShape") for s in args[1]) - cell
    assert dashes == 8 * 3 and panel.model.drawn() != before


def test_benzene_has_no_hydrogen_bonds():
    assert len(hydrogen_bonds(molecule("C6H6"))) == 0
    assert not StructurePanel(molecule("C6H6")).model.may_have_hydrogen_bonds


def test_atoms_have_the_colours_of_their_shells():
    atoms = Atoms("OH3", [[0, 0, 0], [1.0, 0, 0], [0, 2.5, 0], [0, 0, 4.0]])
    plain = StructurePanel(atoms.copy())
    atoms.set_array("shell", np.array([0, 1, 2, 7]))
    panel = StructurePanel(atoms)
    assert panel.model.describe().endswith("atoms in shells 0, 1, ...: 1, 1, 1, 0, 0, 0, 0, 1")
    orange = [shade(one.model.drawn(), to_rgb(SHELLS[1])) for one in (plain, panel)]
    assert orange[0] == 0 < orange[1]
    np.testing.assert_allclose(colours(atoms), [to_rgb(SHELLS[k]) for k in (0, 1, 2, 3)])


def test_shells_are_written_where_ngl_reads_them():
    from labkit.panels.structure.viewer import _colours, _structure

    atoms = Atoms("OH3", [[0, 0, 0], [1.0, 0, 0], [0, 2.5, 0], [0, 0, 4.0]])
    atoms.set_array("shell", np.array([0, 1, 2, 7]))
    lines = [x for x in _structure(atoms).get_structure_string().splitlines() if x.startswith(("ATOM", "HETATM"))]
    assert [float(line[60:66]) for line in lines] == [0, 1, 2, 3]
    assert _colours(atoms)["color_domain"] == [0, 3] and _colours(Atoms("H")) == {}


def shade(png, colour):
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3) / 255
    return int((np.abs(pixels - 0.86 * np.array(colour)).max(1) < 0.02).sum())
