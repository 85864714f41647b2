"""Compiled paths of force fields on the CPU."""
