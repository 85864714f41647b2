"""Controls made from the traits they set."""

from __future__ import annotations

from math import log10
from typing import Any

import ipywidgets as widgets
import traitlets

TRAITS = {bool: traitlets.Bool, int: traitlets.Int, float: traitlets.Float, str: traitlets.Unicode}


def parameter(
    default: traitlets.TraitType | bool | int | float | str, group: str, label: str, unit: str = "", **how: Any
) -> traitlets.TraitType:
    """A trait with what its control needs; a plain default gives a trait of its type.

    group  the group of controls it belongs to
    how    `range=(low, high, step)` for a slider, `log=True` for one over decades, `live=True` for one that reports
           while it is dragged, `options=[...]` for a choice, `help` for a tooltip; none of them: a field to type in,
           which takes any number (the physics checks it)
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
    made = _widget(trait, getattr(model, name))
    tags = trait.metadata
    label = widgets.Label(tags["label"], tooltip=tags["how"].get("help", ""), layout=widgets.Layout(width="116px"))
    unit = widgets.Label(tags["unit"], layout=widgets.Layout(width="68px"))
    unit.add_class("labkit-unit")
    narrow = isinstance(made, widgets.Checkbox)
    made.layout.width = "40px" if narrow else "190px" if "range" in tags["how"] else "150px"
    traitlets.link((model, name), (made, "value"))
    made.add_class(f"labkit-{name.replace('_', '-')}")
    return widgets.HBox([label, made, unit], layout=widgets.Layout(align_items="center", height="30px"))


def _widget(trait: traitlets.TraitType, value: Any) -> widgets.Widget:
    how, whole = trait.metadata["how"], isinstance(trait, traitlets.Int)
    common = {"continuous_update": bool(how.get("live"))}
    if isinstance(trait, traitlets.Bool):
        return widgets.Checkbox(indent=False)
    if "options" in how:
        return widgets.Dropdown(options=how["options"], value=value)
    if "range" not in how:
        kind = widgets.Text if isinstance(trait, traitlets.Unicode) else widgets.IntText if whole else widgets.FloatText
        return kind(value=value, **common)
    low, high, step = how["range"]
    low, high = min(low, value), max(high, value)  # an initial value outside the usual range is shown, not changed
    if how.get("log"):
        shown = ".2g" if low >= 1e-5 else ".1e"  # d3 writes 1e-5 as 0.000010
        return widgets.FloatLogSlider(
            value=value, min=log10(low), max=log10(high), step=step, readout_format=shown, **common
        )
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, **common)
