"""Numbered exercises with checked answers, stored progress, and copies of the notebooks for learners.

In a notebook, the text of the exercise and its folded hints are followed by one cell, tagged `solution`:

    ### begin solution
    answer = design.errors(model).loc[("valid", "forces"), "rmse"]
    ### end solution
    check("02.1", answer, design=design)

`labkit student OUT/` writes copies in which `answer = ...  # your answer` replaces what is between the two lines (or
the text of lines `#: ...` there). A new exercise is either a function in nb02.py, which computes the expected answer
from the learner's own objects, or a sealed record in answers/02.json, made by `python -m labkit.exercises.seal`.
See docs/exercises.md.

>>> check("00.1", 4)
Exercise 00.1: not yet. That is the number of molecules in the cell; each has three atoms.
"""

from labkit.exercises.expected import Expected
from labkit.exercises.judge import check
from labkit.exercises.overview import progress
from labkit.exercises.verdict import NotAnswered, Verdict

__all__ = ["Expected", "NotAnswered", "Verdict", "check", "progress"]
