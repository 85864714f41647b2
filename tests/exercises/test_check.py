"""What `check` says to right answers, to typical mistakes and to what is no answer."""

import time

import numpy as np
import pandas as pd
import pytest
import torch

from labkit.errors import LabkitError
from labkit.exercises import Expected, NotAnswered, check, progress
from labkit.exercises.catalogue import Exercise, catalogue
from labkit.exercises.judge import judge

pytestmark = pytest.mark.usefixtures("session")

ERROR = Exercise("99.1", "An error", lambda: None, unit="meV/Å")


def said(answer, target=None, exercise=ERROR):
    right, message = judge(exercise, target or Expected(412.0, rel=0.05, why="Well done."), answer)
    assert right == (message == "Well done.")
    return message


DRESSES = [412, 400.0, np.float32(412), np.array([412.0]), torch.tensor(412.0), pd.Series([412.0])]


@pytest.mark.parametrize("answer", DRESSES)
def test_right_in_any_dress(answer):
    assert said(answer) == "Well done."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (-412.0, "sign"),
        (0.412, "in eV/Å; expected meV/Å"),
        (412e3, "factor of 1000"),
        (5.0, "hints"),
        ("412", "without quotes"),
        ("412 meV/Å", "without its unit"),
        (None, "type NoneType"),
        (True, "type bool"),
        ([412.0], "type list"),
        (1 + 2j, "type complex"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (np.arange(3.0), "has 3 numbers"),
        (torch.arange(3.0), "has 3 numbers"),
        (pd.Series([1, 2]), "has 2 numbers"),
        (pd.DataFrame({"a": [1, 2]}), "type DataFrame"),
        (np.array(["412"]), "type str"),
    ],
)
def test_typical_mistakes(answer, words):
    assert words in said(answer)


def test_mev_where_ev_is_expected():
    exercise = Exercise("99.2", "A force", lambda: None, unit="eV/Å")
    assert "in meV/Å; expected eV/Å" in said(1670.0, Expected(1.67, rel=0.01), exercise)


def test_total_for_per_atom():
    target = Expected(2.0, rel=0.01, factors={12: "That is the total; divide by the atoms."})
    assert said(24.0, target) == "That is the total; divide by the atoms."


def test_a_known_mistake_comes_before_guesses():
    assert said(-412.0, Expected(412.0, mistakes={-412.0: "On it, not by it."})) == "On it, not by it."


def test_choices():
    words = Expected("forces", among=["energy", "forces"])
    assert said("force", words).endswith("; did you mean 'forces'?")
    assert "did you mean 'forces'" in said("force", words) and "one of 'energy', 'forces'" in said(3, words)
    assert "hints" in said("energy", words)
    assert "choose from: 2.5, 4" in said(3.0, Expected(4.0, among=[2.5, 4.0]))


def test_dots_end_run_all_with_one_line(ice):
    for call in (lambda: check("00.1", ...), lambda: check("00.2", 1.0, frames=...), lambda: check("00.1", (1, ...))):
        with pytest.raises(NotAnswered, match="replace the dots by your answer") as caught:
            call()
        (line,) = caught.value._render_traceback_()
        assert "Exercise 00." in line and "Traceback" not in line
    assert "00.1" not in progress().entries


def test_an_unknown_exercise_is_told_with_what_there_is():
    with pytest.raises(LabkitError, match="notebook 01 has 01.1, .*did you mean '01.") as caught:
        check("01.9", 1)
    assert "\n" not in str(caught.value)
    with pytest.raises(LabkitError, match="there are 00.1"):
        check("77.1", 1)
    with pytest.raises(LabkitError, match='text, as in check\\("01.2"'):
        check(1.2, 1)


def test_data_that_lack_or_do_not_fit(ice):
    with pytest.raises(LabkitError, match=r'is checked by check\("00.2", answer, frames=frames\).*nothing'):
        check("00.2", 1.0)
    with pytest.raises(LabkitError, match="was given train="):
        check("00.2", 1.0, train=ice)
    with pytest.raises(LabkitError, match="could not use frames: it is 3, .*run the cells above"):
        check("00.2", 1.0, frames=3)


@pytest.mark.parametrize("number", [n for n, one in catalogue().items() if one.data])
@pytest.mark.parametrize("thing", [None, [], [1.0, 2.0], "text", 3])
def test_wrong_data_end_in_one_sentence(number, thing):
    data = catalogue()[number].data
    with pytest.raises(LabkitError, match=f"exercise {number} could not use .*run the cells above") as caught:
        check(number, 1.0, **dict.fromkeys(data, thing))
    (sentence, hint) = caught.value._render_traceback_()
    assert "\n" not in sentence and "%tb" in hint


def test_a_verdict_on_the_screen_and_in_a_terminal(ice):
    wrong, right = check("00.1", 4), check("00.1", 12)
    assert not wrong and right and repr(wrong).startswith("Exercise 00.1: not yet. That is the number of molecules")
    html = right._repr_html_()
    assert "✓ 00.1 Right." in html and "labkit-done" in html and "labkit-done'" not in wrong.row.split("</style>")[1]


def test_what_a_learner_wrote_is_escaped():
    verdict = check("00.1", "<script>alert(1)</script>")
    assert "<script>" not in verdict._repr_html_() and "&lt;script&gt;" in verdict._repr_html_()


def test_one_check_takes_less_than_a_second():
    check("00.1", 1)
    start = time.perf_counter()
    check("00.1", 7)
    assert time.perf_counter() - start < 1.0
