"""One observer of each kind, writing into a folder."""

from labkit.engine.observers import (
    Dcd,
    ExtXyz,
    MeanSquareDisplacement,
    RadialDistribution,
    Record,
    Thermodynamics,
    VelocityAutocorrelation,
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
    ]
