"""Answers stored as salted, slow hashes: they can be checked, but not read."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import copysign, floor, isfinite, log, log1p
from typing import Any

from labkit.errors import LabkitError
from labkit.exercises.expected import plain

#: Bins that a tolerance is divided into: an answer may be wrong by a quarter more than the tolerance, never by less.
FINE = 4


@dataclass(frozen=True)
class Sealed:
    """A number or a text that is known only by hashes; otherwise like Expected.

    A number x is quantised, to k = floor(4 x / abs) or floor(4 ln|x| / ln(1 + rel)), with its sign, and k is hashed by
    scrypt (2¹⁴ rounds, 16 MB). The hashes of all bins within the tolerance are stored, sorted. It hides an answer from
    those who read the file, not from those who try all possible answers.

    >>> sealed = Sealed.of(412.0, rel=0.05, mistakes={380.0: "That is the error of the training frames."})
    >>> sealed.right(405.0), sealed.right(450.0), sealed.mistake(381.0)
    (True, False, 'That is the error of the training frames.')
    """

    salt: str
    hashes: frozenset[str]
    text: bool = False
    rel: float = 0.0
    abs: float = 0.0
    known: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[float, str] = field(default_factory=dict)
    among: Collection[float | str] = ()
    why: str = ""

    @classmethod
    def of(
        cls,
        value: float | str,
        *,
        rel: float = 0.0,
        abs: float = 0.0,
        mistakes: Mapping[float | str, str] | None = None,
        **others: Any,
    ) -> Sealed:
        """Seal a value; raises LabkitError for an invalid tolerance, or a mistake that is right."""
        if rel < 0 or abs < 0 or (rel and abs) or rel >= 1:
            raise LabkitError(f"rel={rel:g} and abs={abs:g}: expected one of them above 0 (rel below 1), or neither")
        empty = cls(secrets.token_hex(16), frozenset(), isinstance(value, str), rel, abs)
        right = {empty.hash(token) for token in empty.within(value)}
        known: dict[str, str] = {}
        for wrong, message in (mistakes or {}).items():
            if empty.token(wrong) in empty.within(value):
                raise LabkitError(f"the mistake {wrong!r} is within the tolerance of the right answer")
            known |= {empty.hash(token): message for token in empty.within(wrong)}
        return cls(empty.salt, frozenset(right), empty.text, rel, abs, known, **others)

    def right(self, answer: float | str) -> bool:
        return self.hash(self.token(answer)) in self.hashes

    def mistake(self, answer: float | str) -> str:
        return self.known.get(self.hash(self.token(answer)), "")

    def token(self, answer: float | str) -> str:
        """The bin of an answer."""
        if isinstance(answer, str):
            return f"text {plain(answer)}"
        return self._token(self._bin(answer), answer)

    def within(self, value: float | str) -> list[str]:
        """All bins within the tolerance."""
        if isinstance(value, str):
            return [self.token(value)]
        if not isfinite(value) or (self.rel and not value):
            raise LabkitError(f"{value:g} cannot be sealed with rel={self.rel:g}, abs={self.abs:g}")
        if self.rel:
            low, high = sorted(self._bin(v) for v in (value / (1 + self.rel), value * (1 + self.rel)))
        else:
            low, high = self._bin(value - self.abs), self._bin(value + self.abs)
        return [self._token(k, value) for k in range(low, high + 1)]

    def hash(self, token: str) -> str:
        return _hash(token, self.salt)

    def _bin(self, x: float) -> int:
        if self.rel:
            return floor(FINE * log(abs_(x)) / log1p(self.rel)) if x else -(10**9)
        return floor(FINE * x / self.abs) if self.abs else floor(x * 1e6 + 0.5)

    def _token(self, k: int, x: float) -> str:
        return f"{copysign(1, x):+.0f} {k}" if self.rel else str(k)


abs_ = abs  # a field is called abs


@cache
def _hash(token: str, salt: str) -> str:
    return hashlib.scrypt(token.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=16).hex()
