"""Implicit solvent by generalized Born models."""

from labkit.forcefield.terms.generalized_born import reader as reader
from labkit.forcefield.terms.generalized_born import writer as writer
from labkit.forcefield.terms.generalized_born.term import GeneralizedBorn as GeneralizedBorn
