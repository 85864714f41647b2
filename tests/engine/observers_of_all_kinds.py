"""One observer of each kind, writing into a folder; those that need mdtraj or h5py where these are installed."""

from importlib.util import find_spec

from labkit.engine.observers import (
    Dcd,
    ExtXyz,
    Hdf5,
    MeanSquareDisplacement,
    RadialDistribution,
    Record,
    Thermodynamics,
    VelocityAutocorrelation,
    Xtc,
)


def every_observer(folder):
    return [
        Thermodynamics(folder / "log.csv", every=7, pressure=True),
        ExtXyz(folder / "run.extxyz", every=10),
        Dcd(folder / "run.dcd", every=4),
        Record(lambda state: state.positions[:1, 0], every=9, path=folder / "record.csv"),
        Record(lambda state: state.positions[:1, 0], every=11),
        RadialDistribution(7.0, bins=50, every=12),
        MeanSquareDisplacement(window=150.0, every=2),
        VelocityAutocorrelation(window=100.0, every=1),
        *([Xtc(folder / "run.xtc", every=5)] if find_spec("mdtraj") else []),
        *([Hdf5(folder / "run.h5", every=1)] if find_spec("h5py") else []),
    ]
