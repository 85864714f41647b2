"""Colloids in an explicit solvent: pulled in LAMMPS, reduced to mobilities, compared with the periodic tensor."""
