"""Errors that labkit raises deliberately: each says what was found, what was expected and what to do."""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Any


class LabkitError(ValueError):
    """An error that the user can fix; the message is a sentence for the user.

    A notebook shows the sentence and the line of the cell instead of a long traceback, which `%tb` then shows.
    """

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython prints: at first `brief()`, then, as `%tb` asks for it, the traceback."""
        if vars(self).get("_rendered") and "IPython" in sys.modules:
            shell = sys.modules["IPython"].get_ipython()
            if shell is not None:
                return shell.InteractiveTB.structured_traceback(type(self), self, self.__traceback__)
        self._rendered = True
        return self.brief()

    def brief(self) -> list[str]:
        """The sentence, and the line of the cell."""
        cells = [frame for frame in traceback.extract_tb(self.__traceback__) if _of_cell(frame.filename)]
        where = f"line {cells[-1].lineno} of the cell: {cells[-1].line}" if cells and cells[-1].line else ""
        return [f"\033[31m{self}\033[0m", f"({where + '; ' if where else ''}%tb shows the traceback)"]


def _of_cell(filename: str) -> bool:
    """Whether IPython has compiled this from a cell: it names a file that holds the process's id, or none."""
    return "ipykernel_" in filename or filename.startswith("<ipython-input")


class Stopped(Exception):
    """Work was stopped early on request; `partial` is what was finished by then (or None).

    reason   why, if the work ended itself, as an observer of a run may do; otherwise empty
    systems  the systems of a batch that caused the stop, if any
    """

    def __init__(
        self, message: str = "stopped", partial: Any = None, *, reason: str = "", systems: Sequence[int] = ()
    ) -> None:
        super().__init__(message)
        self.partial, self.reason, self.systems = partial, reason, tuple(systems)


def suggest(word: str, options: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the option closest to `word`, or an empty string.

    >>> suggest("nmax", ["n_max", "l_max"])
    "; did you mean 'n_max'?"
    """
    close = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
