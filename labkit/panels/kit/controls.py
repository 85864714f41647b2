"""Controls made from the traits they set."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log10
from typing import Any

import ipywidgets as widgets
import traitlets

from labkit.panels.kit import html
from labkit.panels.kit.number_field import NumberField

TRAITS = {bool: traitlets.Bool, int: traitlets.Int, float: traitlets.Float, str: traitlets.Unicode}


def parameter(
    default: traitlets.TraitType | bool | int | float | str, group: str, label: str, unit: str = "", **how: Any
) -> traitlets.TraitType:
    """A trait with what its control needs; a plain default gives a trait of its type.

    group  the group of controls it belongs to
    how    `range=(low, high, step)` for a slider beside the field, `log=True` for one over decades, `live=True` for one
           that reports while it is dragged, `options=[...]` for a choice, `help` for a tooltip; `limits=(low, high)` of
           what may be typed, also beyond the slider (by default any number: the physics checks it); `at_once=True` if
           what is shown follows it without Run
    """
    trait = default if isinstance(default, traitlets.TraitType) else TRAITS[type(default)](default)
    return trait.tag(group=group, label=label, unit=unit, how=how)


def parameters(model: traitlets.HasTraits, group: str | None = None) -> list[str]:
    """Names of the tagged traits of a model (in one group), in the order of its class."""
    own = {name: trait for cls in reversed(type(model).__mro__) for name, trait in vars(cls).items()}
    tagged = {name: t.metadata for name, t in own.items() if isinstance(t, traitlets.TraitType) and "how" in t.metadata}
    return [name for name, tags in tagged.items() if group is None or tags["group"] == group]


def groups(model: traitlets.HasTraits) -> list[str]:
    """The groups of the parameters, in the order of the parameters."""
    return list(dict.fromkeys(model.traits()[name].metadata["group"] for name in parameters(model)))


def control(model: traitlets.HasTraits, name: str) -> widgets.Widget:
    """A widget linked to the trait `name` of `model`, both ways."""
    trait = model.traits()[name]
    made = _widget(trait, getattr(model, name), partial(_refuse, model, name))
    tags = trait.metadata
    label = widgets.HTML(html.label(tags["label"], tags["how"].get("help", "")), layout=widgets.Layout(width="116px"))
    unit = widgets.Label(tags["unit"], layout=widgets.Layout(width="68px"))
    unit.add_class("labkit-unit")
    narrow = isinstance(made, widgets.Checkbox)
    made.layout.width = "40px" if narrow else "190px"
    traitlets.link((model, name), (made, "value"))
    made.add_class(f"labkit-{name.replace('_', '-')}")
    row = widgets.HBox([label, made, unit], layout=widgets.Layout(align_items="flex-start", min_height="30px"))
    row.add_class("labkit-control")
    return row


def _refuse(model: traitlets.HasTraits, name: str, sentence: str) -> None:
    """Keep, or forget, what was typed for a parameter and is no value of it."""
    if sentence or name in model.refused:
        others = {key: words for key, words in model.refused.items() if key != name}
        model.refused = others | ({name: sentence} if sentence else {})


def _widget(trait: traitlets.TraitType, value: Any, refuse: Callable[[str], None]) -> widgets.Widget:
    how, whole = trait.metadata["how"], isinstance(trait, traitlets.Int)
    common = {"continuous_update": bool(how.get("live"))}
    tooltip = how.get("help") or trait.metadata["label"]
    if isinstance(trait, traitlets.Bool):
        return widgets.Checkbox(indent=False, tooltip=tooltip)
    if "options" in how:
        return widgets.Dropdown(options=how["options"], value=value, tooltip=tooltip)
    if isinstance(trait, traitlets.Unicode):
        return widgets.Text(value=value, tooltip=tooltip, **common)
    slider = _slider(how, value, whole, common) if "range" in how else None
    tags = {"name": trait.metadata["label"], "unit": trait.metadata["unit"], "tooltip": tooltip}
    return NumberField(value, **tags, slider=slider, limits=how.get("limits"), refuse=refuse)


def _slider(how: dict[str, Any], value: float | int, whole: bool, common: dict[str, Any]) -> widgets.Widget:
    low, high, step = how["range"]
    low, high = min(low, value), max(high, value)  # an initial value outside the usual range is shown, not changed
    if how.get("log"):
        shown = ".2g" if low >= 1e-5 else ".1e"  # d3 writes 1e-5 as 0.000010
        return widgets.FloatLogSlider(
            value=value, min=log10(low), max=log10(high), step=step, readout_format=shown, **common
        )
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, **common)
