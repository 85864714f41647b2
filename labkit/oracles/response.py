"""ph.x: its input for the response to an electric field, and what it prints."""

from __future__ import annotations

import re

import numpy as np

from labkit.oracles.errors import CalculationFailed, Unconverged

NUMBER = r"(-?\d+\.\d+)"
ROW = re.compile(rf"\(\s*{NUMBER}\s+{NUMBER}\s+{NUMBER}\s*\)")
DIELECTRIC = "Dielectric constant in cartesian axis"
END = "End of electric fields calculation"
BORN = "Effective charges (d Force / dE) in cartesian axis"


def response_input(prefix: str, tr2_ph: float) -> str:
    """Input of ph.x for dielectric tensor and Born charges at q = 0, without phonons."""
    return (
        "response to an electric field\n"
        f"&inputph\n  prefix = '{prefix}', outdir = './', epsil = .true., zeu = .true., trans = .false.,\n"
        f"  tr2_ph = {tr2_ph:.1e}\n/\n0.0 0.0 0.0\n"
    )


def require_converged_response(text: str) -> None:
    """Raise Unconverged if ph.x ended its iterations without a result; it then prints only STOP 1."""
    if END in text and DIELECTRIC not in text:
        raise Unconverged("ph.x: the response to the electric field did not converge")


def parse_response(text: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the dielectric tensor (3, 3) and the Born charges (n, 3, 3) [e] that ph.x printed for n atoms.

    Rows of a Born charge are directions of the field, columns those of the force. Without the acoustic sum rule.
    """
    require_converged_response(text)
    return _rows(text, DIELECTRIC, 3), _rows(text, BORN, 3 * n).reshape(n, 3, 3)


def _rows(text: str, title: str, count: int) -> np.ndarray:
    start = text.find(title)
    rows = ROW.findall(text[start:]) if start >= 0 else []
    if len(rows) < count:
        raise CalculationFailed(f"ph.x printed {len(rows)} of {count} rows of {title!r}; did it converge?")
    return np.array(rows[:count], dtype=float)
