"""SOAP: rotation, finite differences, and featomic with the same radial basis tabulated into it."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from descriptors.tabulated import SETTINGS, featomic_settings, frames
from scipy.spatial.transform import Rotation

from labkit.base import State, find_neighbours
from labkit.descriptors import DensityExpansion, RadialBasis, SoapPowerSpectrum
from labkit.descriptors.radial import smeared
from labkit.errors import LabkitError


def soap(atoms, **changes) -> torch.Tensor:
    state = State.from_atoms(atoms)
    descriptor = SoapPowerSpectrum(DensityExpansion([1, 8], **SETTINGS | changes))
    near = find_neighbours(state.system, state.positions, state.cell, descriptor.expansion.cutoff)
    return descriptor(state.system, state.positions, state.cell, near)


def test_radial_functions_are_orthonormal_and_their_integrals_exact() -> None:
    basis = RadialBasis(8, 6, 4.0, 0.3)
    nodes, weights = np.polynomial.legendre.leggauss(500)
    r, dr = 0.5 * 5.8 * (nodes + 1), 0.5 * 5.8 * weights
    distances = torch.tensor([0.01, 0.95, 2.31, 3.99], dtype=torch.float64)
    for l in (0, 3, 6):
        functions = basis.function(l, r)
        np.testing.assert_allclose((functions * r**2 * dr) @ functions.T, np.eye(8), atol=1e-10)
        exact = (functions * r**2 * dr) @ smeared(l, r[:, None], distances.numpy(), 0.3)
        np.testing.assert_allclose(basis(distances)[:, l].T, exact, atol=1e-11)
    value, slope = basis.with_derivative(distances)
    torch.testing.assert_close(value, basis(distances))
    numeric = (basis(distances + 1e-5) - basis(distances - 1e-5)) / 2e-5
    torch.testing.assert_close(slope, numeric, atol=1e-7, rtol=1e-6)


def test_radial_basis_holds_more_than_any_other_of_its_size() -> None:
    """What is lost of smeared neighbours is the tail of the singular values: less than with featomic's GTOs."""
    from featomic.basis import Gto

    basis = RadialBasis(6, 0, 4.0, 0.3)
    r = basis._r
    target = smeared(0, r[:, None], basis._far, 0.3) * basis._far_weight
    gto = np.stack([Gto(max_radial=5, radius=4.0).compute_primitive(r, n, derivative=False) for n in range(6)])
    gto = np.linalg.qr((gto * r * np.sqrt(basis._dr)).T)[0].T / (r * np.sqrt(basis._dr))

    def lost(functions: np.ndarray) -> float:
        rest = target - functions.T @ ((functions * r**2 * basis._dr) @ target)
        return float((rest**2 * (r**2 * basis._dr)[:, None]).sum())

    assert lost(basis.functions[0]) < 0.5 * lost(gto)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_invariance_under_rotation(which: int) -> None:
    atoms = frames()[which]
    turned = atoms.copy()
    turn = Rotation.random(random_state=5).as_matrix()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T + [0.3, -0.2, 7.0]
    torch.testing.assert_close(soap(turned), soap(atoms), atol=1e-10, rtol=0)


def test_permutation_of_atoms_permutes_rows() -> None:
    atoms = frames()[1]
    order = np.random.default_rng(1).permutation(len(atoms))
    torch.testing.assert_close(soap(atoms[order]), soap(atoms)[order], atol=1e-12, rtol=0)


def test_batch_equals_single_systems() -> None:
    torch.testing.assert_close(soap(frames()), torch.cat([soap(atoms) for atoms in frames()]), atol=1e-12, rtol=0)


def test_smooth_where_a_neighbour_leaves() -> None:
    pair = [Atoms("H2", [[0, 0, 0], [4.0 + gap, 0, 0]]) for gap in (-1e-4, 1e-4)]
    # half a cosine: f_c(cutoff - 1e-4 Å) = (π/2 · 1e-4/0.5)² = 1e-7
    torch.testing.assert_close(soap(pair[0]), soap(pair[1]), atol=1e-5, rtol=0)


def test_derivatives_against_finite_differences() -> None:
    state = State.from_atoms(frames())
    descriptor = SoapPowerSpectrum(DensityExpansion([1, 8], **SETTINGS))
    near = find_neighbours(state.system, state.positions, state.cell, 4.5)
    torch.manual_seed(0)
    probe = torch.randn(state.system.n_atoms, descriptor.n_features, dtype=torch.float64)

    def value(positions: torch.Tensor) -> torch.Tensor:
        return (descriptor(state.system, positions, state.cell, near) * probe).sum()

    positions = state.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(positions), positions)
    for atom, axis in [(0, 0), (5, 1), (state.system.n_atoms - 1, 2)]:
        step = torch.zeros_like(state.positions)
        step[atom, axis] = 1e-5
        numeric = (value(state.positions + step) - value(state.positions - step)) / 2e-5
        assert float(gradient[atom, axis]) == pytest.approx(float(numeric), abs=1e-6)


def test_pair_derivatives_equal_autograd() -> None:
    expansion = DensityExpansion([1, 8], **SETTINGS)
    generator = torch.Generator().manual_seed(2)
    vectors = torch.randn(6, 3, generator=generator, dtype=torch.float64) * 1.5
    *_, slope = expansion.pair_derivatives(vectors)

    def each(vectors: torch.Tensor) -> torch.Tensor:
        radial, angular, _ = expansion.pair_derivatives(vectors)
        return radial[..., None] * angular[:, :, None]

    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 1e-5
        numeric = (each(vectors + step) - each(vectors - step)) / 2e-5
        torch.testing.assert_close(slope[:, axis], numeric, atol=1e-7, rtol=1e-6)
    assert slope.shape == (6, 3, 5, 5, 9)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_against_featomic_with_the_same_radial_basis(which: int) -> None:
    import featomic

    atoms = frames()[which]
    spectrum = featomic.SoapPowerSpectrum(**featomic_settings(**SETTINGS)).compute(atoms)
    theirs = np.zeros((len(atoms), 5, 10, 10))
    for key, block in spectrum.items():
        first, second = (0 if key[name] == 1 else 1 for name in ("neighbor_1_type", "neighbor_2_type"))
        rows = block.samples["atom"]
        for column, (l, n1, n2) in enumerate(np.asarray(block.properties.values)):
            a, b = first * 5 + n1, second * 5 + n2
            twice = 1.0 if first == second else 2**0.5  # featomic keeps the norm of mixed species that way,
            # and has Clebsch-Gordan's sign (-1)^l
            theirs[rows, l, a, b] = theirs[rows, l, b, a] = (-1) ** l * np.asarray(block.values)[:, column] / twice
    theirs /= np.sqrt((theirs**2).sum((1, 2, 3), keepdims=True))
    descriptor = SoapPowerSpectrum(DensityExpansion([1, 8], **SETTINGS))
    np.testing.assert_allclose(theirs, descriptor.unpack(soap(atoms)).numpy(), atol=1e-6)


def test_unpack_keeps_dot_products() -> None:
    descriptor = SoapPowerSpectrum(DensityExpansion([1, 8], **SETTINGS))
    power = soap(frames())
    full = descriptor.unpack(power).flatten(1)
    torch.testing.assert_close(full @ full.T, power @ power.T)


def test_unknown_species_names_frame_and_atom() -> None:
    state = State.from_atoms([molecule("H2O"), molecule("CH3OH")])
    expansion = DensityExpansion([1, 8], **SETTINGS)
    near = find_neighbours(state.system, state.positions, state.cell, 4.0)
    with pytest.raises(LabkitError, match="frame 1, atom 0: C is unknown.*H, O"):
        expansion(state.system, state.positions, state.cell, near)


def test_too_many_radial_functions() -> None:
    with pytest.raises(LabkitError, match="n_max is 60"):
        RadialBasis(60, 2, 3.0, 0.8)
