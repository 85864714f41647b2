"""Numbers that are typed: taken as they are or refused in red, never another number without a word."""

import math
from html import unescape

import ipywidgets as widgets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels.kit.test_view import RelaxPanel

from labkit.errors import LabkitError
from labkit.panels.kit.controls import control, parameter
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.numerals import number_of, numeral


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_is_shown_is_read_again(value: float) -> None:
    assert number_of(numeral(value)) == value


@given(st.integers(-(10**12), 10**12))
def test_whole_numbers_stay_whole(value: int) -> None:
    found = number_of(str(value), whole=True)
    assert found == value and isinstance(found, int)


@given(st.floats(1e-6, 1e6), st.sampled_from([",", "."]), st.sampled_from(["", " Å", "Å"]))
def test_decimal_comma_and_point_are_the_same_or_refused(value: float, mark: str, unit: str) -> None:
    text = f"{value:.5f}".replace(".", mark) + unit
    assert number_of(text, "Å") == pytest.approx(value, abs=1e-5)


@given(st.text("0123456789,.-+eE 'kKÅ_\u2212", max_size=12))
def test_no_text_is_taken_for_another_number(text: str) -> None:
    """What is taken has the digits of the text: none is dropped, as 1.5 became 15 and 0,3 became 3."""
    try:
        value = number_of(text)
    except LabkitError as error:
        assert text.strip() in str(error) or repr(text.strip()) in str(error)
        return
    plain = text.strip().replace("\u2212", "-").replace(" ", "").replace(",", ".")
    assert value == float(plain) and math.isfinite(value)


@pytest.mark.parametrize(
    ("text", "whole", "sentence"),
    [
        ("1,500", False, "1,500 may mean 1.5 or 1500"),
        ("1.500,5", False, "is not a number"),
        ("1,2,3", False, "is not a number"),
        ("", False, "'' is not a number"),
        ("nan", False, "'nan' is not a number"),
        ("1e999", False, "is not a number"),
        ("1.5", True, "1.5 is not a whole number"),
        ("two", True, "'two' is not a number"),
    ],
)
def test_what_is_refused(text: str, whole: bool, sentence: str) -> None:
    with pytest.raises(LabkitError, match=sentence.replace(".", r"\.")):
        number_of(text, whole=whole)


class Settings(PanelModel):
    cutoff = parameter(4.0, "basic", "cutoff", "Å", range=(2.0, 6.0, 0.1), limits=(0.5, 15.0))
    temperature = parameter(300.0, "basic", "temperature", "K", range=(10.0, 1000.0, 10.0))
    steps = parameter(100, "basic", "steps", range=(100, 20_000, 100))
    sigma = parameter(1e-3, "basic", "sigma", range=(1e-5, 1.0, 0.1), log=True)
    blur = parameter(0.3, "basic", "blur", "Å")


def field(model: Settings, name: str) -> widgets.Widget:
    return control(model, name).children[1]


def test_typed_values_are_kept_beyond_the_slider_and_between_its_steps() -> None:
    model = Settings()
    cutoff, temperature, steps = (field(model, name) for name in ("cutoff", "temperature", "steps"))
    temperature.text.value = "1500"
    assert model.temperature == 1500 and temperature.slider.value == 1000 and temperature.text.value == "1500"
    cutoff.text.value = "3,45 Å"
    assert model.cutoff == 3.45 and cutoff.text.value == "3.45"
    steps.text.value = "20 150"
    assert model.steps == 20_150 and isinstance(model.steps, int)
    sigma = field(model, "sigma")
    sigma.text.value = "3e-7"
    assert model.sigma == 3e-7 and sigma.slider.value == pytest.approx(1e-5)
    model.temperature = 250.0
    assert temperature.slider.value == 250 and temperature.text.value == "250"


def test_a_page_that_tells_the_step_of_a_slider_changes_no_value() -> None:
    """JupyterLab's slider reports 0.000501 for 0.0005 when it is first shown, and 1000 for 1500 on one up to 1000."""
    model = Settings()
    sigma, temperature, steps = (field(model, name) for name in ("sigma", "temperature", "steps"))
    model.sigma, model.temperature, model.steps = 5e-4, 1500.0, 137
    sigma.slider.value, temperature.slider.value, steps.slider.value = 0.000501, 1000.0, 100
    assert (model.sigma, model.temperature, model.steps) == (5e-4, 1500.0, 137)
    assert sigma.text.value == "0.0005" and sigma.slider.value == pytest.approx(5e-4)
    sigma.slider.value, temperature.slider.value = 10**-3.2, 990.0
    assert model.sigma == pytest.approx(6.31e-4) and model.temperature == 990.0


def test_a_slider_gives_round_numbers() -> None:
    model = Settings()
    field(model, "sigma").slider.value = 10**-2.7
    assert model.sigma == 0.002
    cutoff = field(model, "cutoff")
    cutoff.slider.value = 2.3000000000000003
    assert model.cutoff == 2.3 and cutoff.text.value == "2.3"
    field(model, "steps").slider.value = 300
    assert model.steps == 300


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("steps", "1.5", "steps: 1.5 is not a whole number"),
        ("cutoff", "100", "cutoff: 100 Å is out of range; expected 0.5 to 15"),
        ("temperature", "1,500", "temperature: 1,500 may mean 1.5 or 1500"),
        ("blur", "much", "blur: 'much' is not a number"),
    ],
)
def test_what_is_refused_is_said_in_red_and_nothing_runs_with_the_value_before(name, typed, sentence) -> None:
    model = Settings()
    found, before = field(model, name), getattr(model, name)
    found.text.value = typed
    assert sentence in unescape(found.wrong.value) and "labkit-error" in found.wrong.value and found.text.value == typed
    assert "labkit-wrong" in found.text._dom_classes and getattr(model, name) == before
    with pytest.raises(LabkitError, match=sentence.replace(".", r"\.")):
        model.run()
    assert sentence in model.message
    found.text.value = numeral(before)
    assert found.wrong.value == "" and model.refused == {} and "labkit-wrong" not in found.text._dom_classes
    assert model.message == ""


def test_a_refused_text_gives_way_to_a_value_set_otherwise() -> None:
    model = Settings()
    found = field(model, "cutoff")
    found.text.value = "four"
    model.cutoff = 5.0
    assert found.text.value == "5" and found.wrong.value == "" and model.refused == {}


def test_a_panel_runs_with_what_was_typed() -> None:
    panel = RelaxPanel()
    steps, size = (box.children[1] for box in panel.controls("basic"))
    steps.text.value, size.text.value = "250", "0,3"
    panel.run()
    panel.job.wait(30)
    assert panel.model.steps == 250 and panel.model.size == 0.3
    steps.text.value = "0.5"
    panel.run_button.click()
    assert "steps: 0.5 is not a whole number" in panel.error.value
