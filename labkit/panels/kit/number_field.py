"""A slider with a field to type in; the field takes any number, also beyond the slider and between its steps."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import ipywidgets as widgets
import traitlets

from labkit.errors import LabkitError
from labkit.panels.kit import html
from labkit.panels.kit.numerals import number_of, numeral


class NumberField(widgets.VBox):
    """`value` as a number to type, beside a slider if there is one; other text is refused in red below.

    slider   moves to the end of its range for a value beyond it, and to where a value between two steps belongs
    limits   the smallest and the largest value that make sense, or None
    refuse   called with the sentence of what was refused, and with "" once it is replaced
    """

    value: Any = traitlets.Any()
    disabled = traitlets.Bool(False)

    def __init__(
        self,
        value: float | int,
        *,
        name: str,
        unit: str = "",
        tooltip: str = "",
        slider: widgets.Widget | None = None,
        limits: tuple[float, float] | None = None,
        refuse: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.name, self.unit, self.slider, self.limits, self.refuse = name, unit, slider, limits, refuse
        self.whole, self._busy = isinstance(value, int), False
        width = "78px" if slider is not None else "100%"
        self.text = widgets.Text(continuous_update=False, tooltip=tooltip or name, layout=widgets.Layout(width=width))
        self.wrong = widgets.HTML(layout=widgets.Layout(width="290px", display="none"))
        row = widgets.HBox([*([] if slider is None else [slider]), self.text])
        row.add_class("labkit-number")
        super().__init__([row, self.wrong], value=value, layout=widgets.Layout(overflow="visible"))
        self.text.observe(self._type, "value")
        self.observe(self._show, "value")
        if slider is not None:
            slider.layout.width = "106px"
            slider.observe(self._slide, "value")
            traitlets.dlink((self, "disabled"), (slider, "disabled"))
        traitlets.dlink((self, "disabled"), (self.text, "disabled"))
        self._show()

    def _type(self, change: dict) -> None:
        if self._busy:
            return
        try:
            value = number_of(change["new"], self.unit, self.whole)
            if self.limits and not self.limits[0] <= value <= self.limits[1]:
                found, low, high = map(numeral, (value, *self.limits))
                raise LabkitError(f"{found} {self.unit}".strip() + f" is out of range; expected {low} to {high}")
        except LabkitError as error:
            self._say(f"{self.name}: {error}")
            return
        self.value = value
        self._show()

    def _slide(self, change: dict) -> None:
        if self._busy:
            return
        if abs(self._place(change["new"]) - self._place(self.value)) > self.slider.step / 2:
            self.value = change["new"] if self.whole else float(f"{change['new']:.{self._digits}g}")
        self._show()  # otherwise the page only tells the step at which it shows the value

    def _place(self, value: float) -> float:
        """Where a value is on the slider, in the units of its step."""
        if not isinstance(self.slider, widgets.FloatLogSlider):
            return min(max(value, self.slider.min), self.slider.max)
        return min(max(log(max(value, 1e-300), self.slider.base), self.slider.min), self.slider.max)

    @property
    def _digits(self) -> int:
        """Significant digits of the slider's values: on a logarithmic one, 0.00199526 means 0.002."""
        return 3 if isinstance(self.slider, widgets.FloatLogSlider) else 10

    def _show(self, _: object = None) -> None:
        """The value in both places; neither answers."""
        self._busy = True
        try:
            self.text.value = numeral(self.value)
            if self.slider is not None:
                low, high = self.slider.min, self.slider.max
                if isinstance(self.slider, widgets.FloatLogSlider):
                    low, high = self.slider.base**low, self.slider.base**high
                self.slider.value = min(max(self.value, low), high)
        finally:
            self._busy = False
        self._say("")

    def _say(self, sentence: str) -> None:
        self.wrong.value = html.error(sentence)
        self.wrong.layout.display = "block" if sentence else "none"
        (self.text.add_class if sentence else self.text.remove_class)("labkit-wrong")
        self.refuse(sentence)
