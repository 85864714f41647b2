"""Kinds of uncertainty, one a file."""

from labkit.active.uncertainties.committee import CommitteeSpread
from labkit.active.uncertainties.gp_variance import GpVariance

#: every kind of uncertainty by its name; a new one is a file and a line here
UNCERTAINTIES = {
    "committee": CommitteeSpread,
    "GP variance": GpVariance,
}

__all__ = ["UNCERTAINTIES", "CommitteeSpread", "GpVariance"]
