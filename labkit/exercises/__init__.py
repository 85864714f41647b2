"""Numbered exercises whose answers are checked, progress that is kept, and copies of the notebooks for learners.

In a notebook, below the text of the exercise and its folded hints, stands one cell, tagged `solution`:

    ### begin solution
    answer = design.errors(model).loc[("valid", "forces"), "rmse"]
    ### end solution
    check("02.1", answer, design=design)

`labkit student OUT/` writes copies in which `answer = ...  # your answer` stands for what is between the two lines (or
what the lines `#: ...` there say). A new exercise is either a function in nb02.py, which computes what is expected
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
