"""Tables for readers: units in their heads, and as many digits as mean something."""

from __future__ import annotations

from numbers import Real

import pandas as pd


def with_units(table: pd.DataFrame | pd.Series, digits: int = 3, **units: str) -> pd.DataFrame:
    """The table as text: numbers with `digits` significant digits, and units behind the labels that are named.

    Labels of columns, of rows and of their levels, such as energy="meV/atom", are found at every level.

    >>> table = pd.DataFrame({"energy": [2.34567, 0.00123], "forces": [57.9612, 1234.5]}, index=[50, 100])
    >>> with_units(table, energy="meV/atom", forces="meV/Å")
        energy [meV/atom] forces [meV/Å]
    50               2.35           58.0
    100           0.00123           1230
    """
    table = table.to_frame() if isinstance(table, pd.Series) else table
    heads = {name: f"{name} [{unit}]" for name, unit in units.items()}
    shown = table.map(lambda x: significant(x, digits)).rename(columns=heads, index=heads)
    return shown.rename_axis(index=heads, columns=heads)


def significant(value: object, digits: int = 3) -> str:
    """A number with so many significant digits and without an exponent where that is short; other things as text.

    >>> [significant(x) for x in (57.9612, 1234.5, 0.00123, 2e-7, 12, 0.0, float("nan"), "ok")]
    ['58.0', '1230', '0.00123', '2.00e-07', '12', '0', '–', 'ok']
    """
    if not isinstance(value, Real) or isinstance(value, (bool, int)):
        return str(value)
    if value != value:
        return "–"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    if not 1e-4 <= abs(rounded) < 1e7:
        return f"{value:.{digits - 1}e}"
    exponent = int(f"{rounded:e}".partition("e")[2])
    return f"{rounded:.{max(digits - 1 - exponent, 0)}f}"
