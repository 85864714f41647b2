"""Normal modes of an ASE calculator against ASE's vibrations, harmonic samples against equipartition."""

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.harmonic import HarmonicCalculator, HarmonicForceField
from ase.optimize import BFGS
from ase.vibrations import Vibrations

from labkit.base import AsePotential, State
from labkit.errors import LabkitError, Stopped
from labkit.spectra import normal_modes
from labkit.units import FORCE_TO_ACCELERATION, KB, WAVENUMBER
from tools.ice import harmonic_samples

pytestmark = pytest.mark.filterwarnings("ignore:.*slow path")


@pytest.fixture(scope="module")
def water():
    atoms = molecule("H2O")
    atoms.calc = EMT()
    BFGS(atoms, logfile=None).run(fmax=1e-5)
    return atoms


def modes_of(water, periodic=False, **options):
    """Vibrations alone; in a large periodic cell rotations are modes, too."""
    atoms = water.copy()
    if periodic:
        atoms.set_cell([20.0] * 3)
        atoms.set_pbc(True)
    return normal_modes(State.from_atoms(atoms), AsePotential(EMT()), step=0.01, **options)


def test_frequencies_are_those_of_ase(water, tmp_path):
    modes = modes_of(water)
    vibrations = Vibrations(water, name=str(tmp_path / "vib"), delta=0.01)
    vibrations.run()
    expected = np.real(vibrations.get_frequencies())[-3:]
    np.testing.assert_allclose(modes.frequency, expected, rtol=1e-3)


def test_modes_are_orthonormal_in_mass_and_do_not_move_the_centre(water):
    modes = modes_of(water, periodic=True)
    displacements = modes.displacements.reshape(-1, 9)
    masses = np.repeat(water.get_masses(), 3)
    assert displacements.shape == (6, 9)
    np.testing.assert_allclose(displacements * masses @ displacements.T, np.eye(6), atol=1e-10)
    drift = (displacements * masses).reshape(-1, 3, 3).sum(1)
    np.testing.assert_allclose(drift, 0, atol=1e-10)


def test_equipartition(water):
    """Each mode of a harmonic potential holds kT/2 on average."""
    modes = modes_of(water)
    masses = np.repeat(water.get_masses(), 3)
    weighted = modes.displacements.reshape(-1, 9) * masses
    stiffness = (2 * np.pi * WAVENUMBER * modes.frequency) ** 2 / FORCE_TO_ACCELERATION
    exact = HarmonicCalculator(HarmonicForceField(water.copy(), weighted.T * stiffness @ weighted))
    energies = []
    for frame in harmonic_samples(modes, 300.0, 3000, seed=1):
        frame.calc = exact
        energies.append(frame.get_potential_energy())
    mean, error = np.mean(energies), np.std(energies) / np.sqrt(len(energies))
    assert abs(mean - 1.5 * KB * 300) < 4 * error
    assert np.std(energies) == pytest.approx(np.sqrt(1.5) * KB * 300, rel=0.1)


def test_same_seed_same_frames(water):
    modes = modes_of(water)
    a, b, c = (harmonic_samples(modes, 300, 3, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(x.positions, y.positions) for x, y in zip(a, b, strict=True)) and len(a) == 3
    assert not np.array_equal(a[0].positions, c[0].positions)


def test_soft_modes_stay_finite(water):
    """Rotations, of no stiffness but for noise, are taken as stiff as `lowest`."""
    frames = harmonic_samples(modes_of(water, periodic=True), 300, 200, lowest=265.0)
    spread = np.std([frame.positions - water.positions for frame in frames])
    assert 0.02 < spread < 0.5


def test_bad_input_and_stop(water):
    with pytest.raises(LabkitError, match="temperature -3"):
        harmonic_samples(modes_of(water), -3, 1)

    class Stop:
        def update(self, step, total, **metrics):
            pass

        def should_stop(self):
            return True

    with pytest.raises(Stopped):
        modes_of(water, progress=Stop())
