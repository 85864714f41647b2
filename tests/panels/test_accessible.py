"""For everyone: names, help, alternative text of every panel, without a browser; the page is tests/browser's."""

import re
from collections.abc import Iterator
from html import unescape

import ipywidgets as widgets
import pytest
from ase.build import molecule
from panels.test_scripts import MAKERS

from labkit.panels import RunTray, StructurePanel
from labkit.panels.kit import html
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.number_field import NumberField
from labkit.panels.kit.page_names import PageNames
from labkit.panels.kit.unfolding import Fold
from labkit.runs import Runs


def parts(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """A widget and all that it contains."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def rows(panel: widgets.Widget) -> list[widgets.HBox]:
    return [part for part in parts(panel) if "labkit-control" in getattr(part, "_dom_classes", ())]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_every_control_has_its_name_and_its_help(make, tmp_path) -> None:
    panel, *_ = make(tmp_path)
    model = panel.model
    tags = [model.traits()[name].metadata for name in parameters(model)]
    expected = {html.label(one["label"], one["how"].get("help", "")): one for one in tags}
    assert len(rows(panel)) > 0
    for row in rows(panel):
        label, control, unit = row.children
        name = unescape(re.sub("<.*?>", "", label.value))
        assert name in {one["label"] for one in tags} and label.value in expected
        help_text = expected[label.value]["how"].get("help") or name
        native = control.text if isinstance(control, NumberField) else control
        assert native.tooltip == help_text and unit.value == expected[label.value]["unit"]
        # ipywidgets shows the tooltip of a control only if it has no description
        assert native.description == ""
    assert sum(isinstance(part, PageNames) for part in panel.children) == 1
    assert not any(isinstance(part, widgets.Accordion) for part in parts(panel))
    panel.close()


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_no_widget_that_the_page_cannot_name(make, tmp_path) -> None:
    """A box with a tooltip is not drawn at all, and an Image of ipywidgets has no alternative text."""
    panel, *_ = make(tmp_path)
    for part in parts(panel):
        assert not isinstance(part, widgets.Image)
        assert not (isinstance(part, widgets.Box) and part.tooltip)
        if isinstance(part, widgets.Button | widgets.ToggleButton):
            assert part.description
    panel.close()


def test_pictures_have_words(tmp_path) -> None:
    water = StructurePanel(molecule("H2O"), "Water")
    assert water.image.alt == "Water, a picture: 3 atoms, H₂O"
    assert "alt='Water, a picture: 3 atoms, H₂O'" in "".join(water.still_parts())
    assert RunTray(Runs(tmp_path)).image.alt == "The pinned runs, overlaid"


def test_a_group_is_folded_behind_a_button() -> None:
    inside = widgets.Text()
    fold = Fold("Advanced", [inside])
    assert isinstance(fold.toggle, widgets.ToggleButton) and fold.toggle.description == "Advanced"
    assert not fold.toggle.value and fold.body.children == (inside,)
    assert {"labkit-fold"} == set(fold._dom_classes) and {"labkit-folded"} == set(fold.body._dom_classes)


def test_a_label_is_escaped() -> None:
    assert html.label("<a>", '"&') == '<label class="labkit-label" title="&quot;&amp;">&lt;a&gt;</label>'
