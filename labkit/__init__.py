"""labkit: learn and do machine-learned molecular simulation, in notebooks and from scripts."""

__version__ = "0.1.0"
