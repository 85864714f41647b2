"""Numbers as people type them, with a decimal point or comma; what may mean two things is refused."""

from __future__ import annotations

import math
import re

from labkit.errors import LabkitError

NUMERAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
GROUPS = re.compile(r"(?<=\d)[\u0020\u00a0\u2009\u202f](?=\d{3}(?!\d))")  # spaces between thousands
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")


def number_of(text: str, unit: str = "", whole: bool = False) -> float | int:
    """The number that was typed; raises LabkitError for other text, and for what may mean two numbers.

    >>> number_of("0,3"), number_of("20 000", whole=True), number_of("−1.5e-3"), number_of("300 K", "K")
    (0.3, 20000, -0.0015, 300.0)
    >>> number_of("1,500")
    Traceback (most recent call last):
        ...
    labkit.errors.LabkitError: 1,500 may mean 1.5 or 1500; write one of these
    """
    plain = text.strip().removesuffix(unit).strip().replace("\u2212", "-")
    plain = GROUPS.sub("", plain)
    if THOUSANDS.fullmatch(plain):
        one, other = plain.replace(",", ".").rstrip("0").rstrip("."), plain.replace(",", "")
        raise LabkitError(f"{text.strip()} may mean {one} or {other}; write one of these")
    if plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    value = float(plain) if NUMERAL.fullmatch(plain) else math.nan
    if not math.isfinite(value):
        raise LabkitError(f"{text.strip()!r} is not a number; expected one such as {'20' if whole else '0.3 or 1e-3'}")
    if whole and not value.is_integer():
        raise LabkitError(f"{text.strip()} is not a whole number; expected one such as {round(value)}")
    return int(value) if whole else value


def numeral(value: float | int) -> str:
    """The number as text, short and exact: `number_of` gives it back.

    >>> numeral(0.1), numeral(0.45), numeral(1e-5), numeral(400)
    ('0.1', '0.45', '1e-05', '400')
    """
    short = f"{value:.12g}"
    return short if float(short) == value else repr(value)
