"""The expected answer, when the check computes it from the learner's own data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isclose


@dataclass(frozen=True)
class Expected:
    """A number or a text, the tolerance of an answer, and messages for wrong answers.

    value     the right answer
    rel, abs  tolerance: the larger of rel |value| and abs counts; without both, the exact number
    mistakes  wrong answers -> a helpful sentence; the first that matches is shown
    factors   a factor by which the right answer may wrongly be multiplied -> a helpful sentence
    among     the possible answers, if limited
    ties      other answers that are as good, and right as well
    why       shown with "right"

    >>> force = Expected(0.41, rel=0.05, mistakes={0.33: "That is the largest component."})
    >>> force.right(0.42), force.mistake(0.33)
    (True, 'That is the largest component.')
    """

    value: float | str
    rel: float = 0.0
    abs: float = 0.0
    mistakes: Mapping[float | str, str] = field(default_factory=dict)
    factors: Mapping[float, str] = field(default_factory=dict)
    among: Collection[float | str] = ()
    why: str = ""
    ties: Collection[float | str] = ()

    @property
    def text(self) -> bool:
        """Whether the answer is a word, not a number."""
        return isinstance(self.value, str)

    def right(self, answer: float | str) -> bool:
        return any(self._near(answer, value) for value in (self.value, *self.ties))

    def mistake(self, answer: float | str) -> str:
        """The sentence for a known mistake, or ""."""
        return next((message for value, message in self.mistakes.items() if self._near(answer, value)), "")

    def _near(self, answer: float | str, value: float | str) -> bool:
        if isinstance(value, str) or isinstance(answer, str):
            return plain(str(answer)) == plain(str(value))
        return isclose(answer, value, rel_tol=max(self.rel, 1e-9), abs_tol=self.abs)


def plain(text: str) -> str:
    """A word for comparison: without case and superfluous blanks.

    >>> plain("  The   Forces")
    'the forces'
    """
    return " ".join(text.split()).casefold()
