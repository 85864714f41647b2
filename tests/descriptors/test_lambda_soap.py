"""lambda-SOAP: rotation, mirrors, SOAP at lambda = 0, featomic's Clebsch-Gordan products, finite differences."""

import numpy as np
import pytest
import torch
from ase import Atoms
from descriptors.tabulated import SETTINGS, featomic_settings, frames
from scipy.spatial.transform import Rotation
from sphericart.torch import SphericalHarmonics

from labkit.base import State, find_neighbours
from labkit.descriptors import DensityExpansion, LambdaSoap, SoapPowerSpectrum, clebsch_gordan
from labkit.errors import LabkitError

KINDS = [(0, 1), (1, 1), (1, -1), (2, 1), (2, -1), (3, 1)]


def expansion() -> DensityExpansion:
    return DensityExpansion([1, 8], **SETTINGS)


def tensors(atoms: Atoms | list[Atoms], degree: int, parity: int = 1, features=None) -> torch.Tensor:
    state = State.from_atoms(atoms)
    descriptor = LambdaSoap(expansion(), degree, parity, features)
    near = find_neighbours(state.system, state.positions, state.cell, SETTINGS["cutoff"])
    return descriptor(state.system, state.positions, state.cell, near)


def moved(atoms: Atoms, turn: np.ndarray) -> Atoms:
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ turn.T)
    out.positions = atoms.positions @ turn.T
    return out


def wigner(degree: int, turn: np.ndarray) -> torch.Tensor:
    """D with Y(R r) = D Y(r), from the harmonics themselves."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    at = slice(degree**2, (degree + 1) ** 2)
    before = SphericalHarmonics(degree)(points)[:, at]
    after = SphericalHarmonics(degree)(points @ torch.as_tensor(turn).T)[:, at]
    return torch.linalg.lstsq(before, after).solution.T


def test_coupling_is_orthonormal_and_known() -> None:
    for l1, l2, degree in [(0, 0, 0), (1, 1, 1), (1, 1, 2), (2, 3, 2), (4, 6, 3), (6, 6, 2)]:
        columns = clebsch_gordan(l1, l2, degree).reshape(-1, 2 * degree + 1)
        np.testing.assert_allclose(columns.T @ columns, np.eye(2 * degree + 1), atol=1e-13)
    cross = clebsch_gordan(1, 1, 1) * 2**0.5  # in the order y, z, x
    np.testing.assert_allclose(np.abs(np.einsum("abc,a,b->c", cross, [1, 0, 0], [0, 1, 0])), [0, 0, 1], atol=1e-13)


def test_coupled_harmonics_are_harmonics() -> None:
    """Σ C Y_l1 Y_l2 of one direction is Y_λ of it, times a number: checks the harmonics' order and signs."""
    point = torch.tensor([[0.3, -0.7, 0.5]], dtype=torch.float64)
    y = SphericalHarmonics(6)(point / point.norm())[0].numpy()
    for l1, l2, degree in [(1, 1, 2), (2, 2, 2), (1, 3, 2), (3, 4, 3), (6, 6, 4)]:
        made = np.einsum("abc,a,b->c", clebsch_gordan(l1, l2, degree), *(y[l * l : (l + 1) ** 2] for l in (l1, l2)))
        known = y[degree**2 : (degree + 1) ** 2]
        np.testing.assert_allclose(made * (known @ made), known * (made @ made), atol=1e-12)


@pytest.mark.parametrize(("degree", "parity"), KINDS)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_covariance_under_rotation_and_mirror(which: int, degree: int, parity: int) -> None:
    atoms, turn = frames()[which], Rotation.random(random_state=5).as_matrix()
    here = tensors(atoms, degree, parity)
    assert float(here.abs().max()) > 1e-3
    there = torch.einsum("kl,nlf->nkf", wigner(degree, turn), here)
    torch.testing.assert_close(tensors(moved(atoms, turn), degree, parity), there, atol=1e-10, rtol=1e-10)
    mirror = turn @ np.diag([1.0, 1.0, -1.0])
    there = parity * torch.einsum("kl,nlf->nkf", wigner(degree, mirror), here)
    torch.testing.assert_close(tensors(moved(atoms, mirror), degree, parity), there, atol=1e-10, rtol=1e-10)


def test_lambda_0_is_the_soap_power_spectrum_before_it_is_normalised() -> None:
    state = State.from_atoms(frames())
    near = find_neighbours(state.system, state.positions, state.cell, SETTINGS["cutoff"])
    power, length = SoapPowerSpectrum(expansion()).normalised(
        expansion()(state.system, state.positions, state.cell, near)
    )
    torch.testing.assert_close(tensors(frames(), 0)[:, 0], power * length[:, None], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("degree", "parity"), KINDS)
def test_against_featomic(degree: int, parity: int) -> None:
    """featomic's expansion in labkit's radial basis, and its Clebsch-Gordan products: feature by feature."""
    import featomic
    import metatensor
    from featomic.clebsch_gordan import ClebschGordanProduct

    atoms = frames()[0]
    ours = tensors(atoms, degree, parity).numpy()
    density = featomic.SphericalExpansion(**featomic_settings(**SETTINGS)).compute(atoms)
    parts = [
        metatensor.rename_dimension(
            metatensor.rename_dimension(density, "keys", "neighbor_type", f"neighbor_{k}_type"),
            "properties",
            "n",
            f"n_{k}",
        ).keys_to_properties(f"neighbor_{k}_type")
        for k in (1, 2)
    ]
    wanted = metatensor.Labels(["o3_lambda", "o3_sigma"], np.array([[degree, parity]]))
    product = ClebschGordanProduct(max_angular=2 * SETTINGS["l_max"])
    theirs = product.compute(*parts, "l_1", "l_2", selected_keys=wanted).keys_to_properties(["l_1", "l_2"])
    columns = column_numbers(degree, parity)
    height = (np.pi * SETTINGS["atom_sigma"] ** 2) ** 1.5  # featomic's Gaussians have the norm 1, labkit's the height 1
    pairs: dict[tuple[int, int], list] = {}
    for block in theirs.blocks():
        rows, names = np.asarray(block.samples["atom"]), block.properties.names
        for values, row in zip(np.asarray(block.values).transpose(2, 0, 1), np.asarray(block.properties.values)):
            row = dict(zip(names, row.tolist()))
            first, second = ((row[f"neighbor_{k}_type"] == 8) * SETTINGS["n_max"] + row[f"n_{k}"] for k in (1, 2))
            key = (row["l_1"], row["l_2"], first, second)
            if key in columns:
                single = key[0] == key[1] and first == second
                mine = ours[rows][:, :, columns[key]] / (1 if single else 2**0.5)
                pairs.setdefault(key[:2], []).append((mine, height * values))
    for both in pairs.values():
        mine, values = np.array(both).swapaxes(0, 1)
        sign = np.sign((mine * values).sum())  # free for each (l1, l2)
        np.testing.assert_allclose(mine, sign * values, atol=1e-6)
    assert sum(len(both) for both in pairs.values()) == 2 * ours.shape[2]  # around H and around O


def column_numbers(degree: int, parity: int) -> dict[tuple[int, int, int, int], int]:
    descriptor = LambdaSoap(expansion(), degree, parity)
    channels, found = descriptor.expansion.channels, {}
    for l1, l2 in descriptor._pairs():
        for a in range(channels):
            start = 0 if l1 != l2 else a if parity == 1 else a + 1
            for b in range(start, channels):
                found[l1, l2, a, b] = len(found)
    assert len(found) == descriptor.n_all
    return found


def test_batch_and_fewer_features() -> None:
    whole = torch.cat([tensors(atoms, 2) for atoms in frames()])
    torch.testing.assert_close(tensors(frames(), 2), whole, atol=1e-12, rtol=0)
    keep = [0, 3, 117, 500, whole.shape[2] - 1]
    torch.testing.assert_close(tensors(frames(), 2, features=keep), whole[:, :, keep], atol=1e-13, rtol=0)
    with pytest.raises(LabkitError, match="expected ascending numbers"):
        tensors(frames(), 2, features=[3, 1])


@pytest.mark.parametrize(("degree", "parity"), [(1, -1), (2, 1)])
def test_derivatives_against_finite_differences(degree: int, parity: int) -> None:
    state = State.from_atoms(frames())
    descriptor = LambdaSoap(expansion(), degree, parity)
    near = find_neighbours(state.system, state.positions, state.cell, 4.5)
    torch.manual_seed(0)
    probe = torch.randn(state.system.n_atoms, 2 * degree + 1, descriptor.n_features, dtype=torch.float64)

    def value(positions: torch.Tensor) -> torch.Tensor:
        return (descriptor(state.system, positions, state.cell, near) * probe).sum()

    positions = state.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(positions), positions)
    for atom, axis in [(0, 0), (5, 1), (state.system.n_atoms - 1, 2)]:
        step = torch.zeros_like(state.positions)
        step[atom, axis] = 1e-5
        numeric = (value(state.positions + step) - value(state.positions - step)) / 2e-5
        assert float(gradient[atom, axis]) == pytest.approx(float(numeric), rel=1e-6, abs=1e-5)
