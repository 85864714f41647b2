"""Implicit solvent by generalized Born models."""

from labkit.forcefield.terms.generalized_born.term import (
    NECK_REACH,
    OBC1,
    OBC2,
    PROBE,
    GeneralizedBorn,
)

__all__ = ["NECK_REACH", "OBC1", "OBC2", "PROBE", "GeneralizedBorn"]
