"""Infrared and Raman spectra and densities of states from trajectories, and normal modes for comparison.

The whole chain: a potential and a model of polarizabilities, a few replicas, and the spectrum with its errors.

>>> import labkit
>>> from labkit.base import State
>>> from labkit.engine import VelocityVerlet, lbfgs, maxwell_boltzmann, simulate
>>> from labkit.gap import Design, GapConfig, Soap
>>> from labkit.polarizability import TensorDesign, with_label
>>> from labkit.spectra import Response, normal_modes
>>> small = Soap(cutoff=3.0, n_max=4, l_max=2, n_sparse=40)
>>> train = labkit.datasets.ice("train", n=30)
>>> gap = Design.build(train, GapConfig(small, sigma_energy=0.001, sigma_force=0.05, sigma_virial=None)).solve()
>>> frames = with_label(train, "polarizability")
>>> alpha = TensorDesign.build(frames, n_max=3, l_max=2, n_features=20).solve({0: 1e-6, 2: 1e-4})
>>> minimum = lbfgs(State.from_atoms(labkit.datasets.ice("minimum").atoms[0]), gap, fmax=1e-3)
>>> replicas = maxwell_boltzmann(State.batch([minimum] * 3, seed=1), 50.0)
>>> response = Response(polarizability=alpha, velocities=True, every=4)
>>> _ = simulate(replicas, gap, VelocityVerlet(), steps=120, dt=0.5, observers=[response])
>>> line = response.raman(resolution=1000.0).parallel  # 60 fs resolve no more; use 20 for some ps
>>> line.intensity.shape == line.error.shape, line.unit
(True, 'Å^6 cm')
>>> round(response.density_of_states(resolution=1000.0).total.integral(), 6)  # 3·12 - 3 degrees of freedom
33.0
>>> len(normal_modes(minimum, gap).intensities(polarizability=alpha).activity)
33
"""

from labkit.spectra.density_of_states import DensityOfStates, density_of_states
from labkit.spectra.hessian import hessian
from labkit.spectra.infrared import infrared
from labkit.spectra.intensities import Intensities
from labkit.spectra.modes import NormalModes, normal_modes, under_verlet
from labkit.spectra.quantum import correction
from labkit.spectra.raman import Raman, raman
from labkit.spectra.response import Response
from labkit.spectra.spectrum import Spectrum
from labkit.spectra.track import Track, along
from labkit.spectra.transform import density, largest_frequency

__all__ = [
    "DensityOfStates",
    "Intensities",
    "NormalModes",
    "Raman",
    "Response",
    "Spectrum",
    "Track",
    "along",
    "correction",
    "density",
    "density_of_states",
    "hessian",
    "infrared",
    "largest_frequency",
    "normal_modes",
    "raman",
    "under_verlet",
]
