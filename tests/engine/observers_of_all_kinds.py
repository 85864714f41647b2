"""One observer of each kind, writing into a folder."""

from labkit.engine.observers import Dcd, ExtXyz, Thermodynamics


def every_observer(folder):
    found = [
        Thermodynamics(folder / "log.csv", every=7, pressure=True),
        ExtXyz(folder / "run.extxyz", every=10),
        Dcd(folder / "run.dcd", every=4),
    ]
    return found
