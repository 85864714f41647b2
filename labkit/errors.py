"""Errors that labkit raises deliberately: each says what was found, what was expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class LabkitError(ValueError):
    """An error that the user can fix; the message is a sentence for the user."""


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
