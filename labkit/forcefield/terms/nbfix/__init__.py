"""Lennard-Jones with parameters of its own for each pair of kinds of atoms."""

from labkit.forcefield.terms.nbfix.term import Nbfix

__all__ = ["Nbfix"]
