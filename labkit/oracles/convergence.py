"""Whether pw.x converged: the statement in its output, and the accuracy reached."""

from __future__ import annotations

import re

from labkit.oracles.errors import CalculationFailed, Unconverged
from labkit.oracles.program import last_words

THRESHOLD = re.compile(r"scf convergence threshold\s*=\s*([\d.EeDd+-]+)")
ACCURACY = re.compile(r"estimated scf accuracy\s*<\s*([\d.EeDd+-]+)\s*Ry")
ROUNDING = 1.1  # pw.x prints both with two digits


def require_converged(text: str) -> None:
    """Raise Unconverged unless an output of pw.x shows a converged SCF, and CalculationFailed if it ended early.

    With scf_must_converge = .false. pw.x prints "convergence has been achieved" after the last cycle whether or not it
    was, so the accuracy of that cycle is compared with the threshold.
    """
    if "convergence NOT achieved" in text:
        steps = re.search(r"convergence NOT achieved after\s*(\d+)", text)
        raise Unconverged(f"pw.x: the SCF did not converge in {steps.group(1) if steps else 'its'} iterations")
    if "convergence has been achieved" not in text:
        raise CalculationFailed(f"pw.x ended before its SCF had converged: {last_words(text)}")
    threshold, accuracy = THRESHOLD.findall(text), ACCURACY.findall(text)
    if threshold and accuracy and _number(accuracy[-1]) > ROUNDING * _number(threshold[-1]):
        raise Unconverged(f"pw.x: the SCF ended at an accuracy of {accuracy[-1]} Ry, above conv_thr {threshold[-1]} Ry")


def _number(text: str) -> float:
    return float(text.upper().replace("D", "E"))
