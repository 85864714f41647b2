"""Normal modes against ASE's vibrations, harmonic samples against equipartition."""

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.harmonic import HarmonicCalculator, HarmonicForceField
from ase.optimize import BFGS
from ase.vibrations import Vibrations

from labkit.errors import LabkitError, Stopped
from labkit.units import KB
from tools.ice import NormalModes

CM = 5308.8  # cm^-1 of 1 rad/fs: 1 / (2 pi c)


@pytest.fixture(scope="module")
def water():
    atoms = molecule("H2O")
    atoms.calc = EMT()
    BFGS(atoms, logfile=None).run(fmax=1e-5)
    return atoms


def test_frequencies_are_those_of_ase(water, tmp_path):
    modes = NormalModes.of(water, EMT(), rotations=True)
    vibrations = Vibrations(water, name=str(tmp_path / "vib"), delta=0.01)
    vibrations.run()
    expected = np.real(vibrations.get_frequencies())[-3:]
    np.testing.assert_allclose(modes.frequencies * CM, expected, rtol=1e-3)


def test_modes_are_orthonormal_in_mass_and_do_not_move_the_centre(water):
    modes = NormalModes.of(water, EMT())
    masses = np.repeat(water.get_masses(), 3)
    assert modes.modes.shape == (6, 9)
    np.testing.assert_allclose(modes.modes * masses @ modes.modes.T, np.eye(6), atol=1e-10)
    drift = (modes.modes * masses).reshape(-1, 3, 3).sum(1)
    np.testing.assert_allclose(drift, 0, atol=1e-10)


def test_equipartition(water):
    """Each mode of a harmonic potential holds kT/2 on average."""
    modes = NormalModes.of(water, EMT(), rotations=True)
    masses = np.repeat(water.get_masses(), 3)
    hessian = (modes.modes * masses).T * modes.stiffness @ (modes.modes * masses)
    exact = HarmonicCalculator(HarmonicForceField(water.copy(), hessian))
    energies = []
    for frame in modes.sample(300.0, 3000, seed=1):
        frame.calc = exact
        energies.append(frame.get_potential_energy())
    mean, error = np.mean(energies), np.std(energies) / np.sqrt(len(energies))
    assert abs(mean - 1.5 * KB * 300) < 4 * error
    assert np.std(energies) == pytest.approx(np.sqrt(1.5) * KB * 300, rel=0.1)


def test_same_seed_same_frames(water):
    modes = NormalModes.of(water, EMT())
    a, b, c = modes.sample(300, 3, seed=1), modes.sample(300, 3, seed=1), modes.sample(300, 3, seed=2)
    assert all(np.array_equal(x.positions, y.positions) for x, y in zip(a, b, strict=True)) and len(a) == 3
    assert not np.array_equal(a[0].positions, c[0].positions)


def test_soft_modes_stay_finite(water):
    """Rotations, of no stiffness but for noise, are taken as stiff as `lowest`."""
    frames = NormalModes.of(water, EMT()).sample(300, 200, lowest=0.05)
    spread = np.std([frame.positions - water.positions for frame in frames])
    assert 0.02 < spread < 0.5


def test_bad_input_and_stop(water):
    with pytest.raises(LabkitError, match="temperature -3"):
        NormalModes.of(water, EMT()).sample(-3, 1)

    class Stop:
        def update(self, step, total, **metrics):
            pass

        def should_stop(self):
            return True

    with pytest.raises(Stopped):
        NormalModes.of(water, EMT(), progress=Stop())
