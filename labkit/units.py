"""Unit conversions: the only place with constants. labkit computes in eV, Å, fs, u, K, e; other units are for display.

Multiply by a constant to convert *into* labkit's units, divide to convert out of them (as in ASE):
`energy_ev = energy_hartree * HARTREE`.
"""

from __future__ import annotations

from ase import units as _ase

EV = 1.0
ANGSTROM = 1.0
FS = 1.0
U = 1.0

MEV = 1e-3
GPA = _ase.GPa  # eV/Å^3 of one GPa
HARTREE = _ase.Hartree
RYDBERG = _ase.Rydberg
BOHR = _ase.Bohr
NANOMETRE = _ase.nm
PICONEWTON = 1e-22 * _ase.J  # eV/Å: forces of tweezers and molecular motors
KCAL_PER_MOL = _ase.kcal / _ase.mol
KJ_PER_MOL = _ase.kJ / _ase.mol

#: Boltzmann's constant, eV/K.
KB = _ase.kB

#: (eV/Å)/u in Å/fs^2: acceleration = FORCE_TO_ACCELERATION * force / mass. ASE's own time unit is Å sqrt(u/eV).
FORCE_TO_ACCELERATION = _ase.fs**2

#: u Å^2/fs^2 in eV: kinetic energy = 0.5 * KINETIC * mass * velocity^2.
KINETIC = 1.0 / _ase.fs**2

#: ASE's unit of time, Å sqrt(u/eV), in fs.
ASE_TIME = 1.0 / _ase.fs

#: k_e = 1/(4 π ε_0) in eV Å/e².
COULOMB = _ase._e * 1e10 / (4 * _ase.pi * _ase._eps0)

#: Speed of light, Å/fs.
LIGHT = _ase._c * 1e-5

#: Oscillations per fs at one cm^-1.
WAVENUMBER = LIGHT * 1e-8

#: Reduced Planck constant, eV fs.
HBAR = _ase._hbar / _ase._e * 1e15

#: km/mol of an absorption of one Å per cell, ∫σ dν.
KM_PER_MOL = _ase._Nav * 1e-13
#: One mPa s, about the viscosity of water, in eV fs/Å^3.
MILLIPASCAL_SECOND = 1e3 * GPA
