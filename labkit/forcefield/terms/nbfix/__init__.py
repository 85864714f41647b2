"""Lennard-Jones with separate parameters for each pair of kinds of atoms."""

from labkit.forcefield.terms.nbfix import openmm_tables as openmm_tables
from labkit.forcefield.terms.nbfix.term import Nbfix as Nbfix
