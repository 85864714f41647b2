"""PME: the compiled mesh is autograd's, forces are derivatives, cells may change, and the sum is Ewald's."""

from __future__ import annotations

import ase
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import Potential, State
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, Pme
from labkit.forcefield.fast.mesh import CompiledMesh
from labkit.forcefield.terms.splines import ORDERS, factors, pieces
from labkit.units import COULOMB

N, ALPHA, SPACING = 10, 0.5, 1.0
CUBE = np.eye(3) * 9.0
SKEWED = np.array([[7.0, 0.3, 0], [1.5, 9.5, 0.2], [-1.0, 0.8, 11.2]])  # meshes of 16, 32 and 32 points
LEFT_HANDED = SKEWED[[1, 0, 2]]
BONDS = [[i, i + 1] for i in range(N - 1)]


def frame(seed: int, cell: np.ndarray, n: int = N) -> ase.Atoms:
    return ase.Atoms(f"C{n}", positions=np.random.default_rng(seed).uniform(-0.3, 1.3, (n, 3)) @ cell, cell=cell, pbc=1)


def pme(charged: bool = False, bonded: bool = True, nodes: int = 5, n: int = N, spacing: float = SPACING) -> ForceField:
    charges = np.random.default_rng(7).normal(size=n)
    charges -= charges.mean() - 0.3 * charged
    bonds = [row for row in BONDS if max(row) < n] if bonded else ()
    return ForceField({"pme": Pme(charges, bonds, 4.0, alpha=ALPHA, mesh_spacing=spacing, nodes=nodes)}, n)


def assert_autograd(forcefield: ForceField, state: State) -> None:
    fast, slow = forcefield.evaluate(state, stress=True), Potential.evaluate(forcefield, state, stress=True)
    for name in ("energy", "forces", "stress"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name), rtol=1e-9, atol=1e-11)


def mesh_alone(forcefield: ForceField, state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energies, forces and virial of what is not near pairs."""
    kernel = CompiledMesh(forcefield.terms["pme"])
    kernel.begin(state)
    found = np.zeros(len(state.cell)), np.zeros(state.positions.shape), np.zeros(state.cell.shape)
    kernel.add(state.positions.numpy(), state.cell.numpy(), *found)
    return found


@pytest.mark.parametrize("bonded", [True, False])
@pytest.mark.parametrize("charged", [True, False])
@pytest.mark.parametrize("cell", [CUBE, SKEWED, LEFT_HANDED], ids=["cubic", "skewed", "left-handed"])
def test_compiled_is_autograd(cell: np.ndarray, charged: bool, bonded: bool) -> None:
    assert_autograd(pme(charged, bonded), State.from_atoms(frame(1, cell)))


@pytest.mark.parametrize("nodes", ORDERS)
def test_every_number_of_nodes(nodes: int) -> None:
    assert_autograd(pme(nodes=nodes), State.from_atoms(frame(2, SKEWED)))
    assert_autograd(pme(nodes=nodes, spacing=6.0), State.from_atoms(frame(2, SKEWED)))  # a mesh of fewer points


def test_a_batch_of_different_systems() -> None:
    forcefield = ForceField.batch([pme(), pme(True, n=6), pme(bonded=False)])
    frames = [frame(1, CUBE), frame(2, SKEWED, 6), frame(3, LEFT_HANDED)]
    state = State.from_atoms(frames)
    assert_autograd(forcefield, state)
    found = forcefield.evaluate(state)
    alone = pme(True, n=6).evaluate(State.from_atoms(frames[1]))
    torch.testing.assert_close(found.energy[1], alone.energy[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(found.forces[N : N + 6], alone.forces, rtol=1e-11, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    skew=st.floats(-0.4, 0.4),
    moves=st.lists(st.tuples(*[st.integers(-1000, 1000)] * 3), min_size=N, max_size=N),
)
def test_atoms_far_outside_the_box(seed: int, skew: float, moves: list[tuple[int, int, int]]) -> None:
    cell = np.array([[8.0, 0, 0], [8 * skew, 9.0, 0], [-6 * skew, 3 * skew, 10.0]])
    near = State.from_atoms(frame(seed, cell))
    far = near.replace(positions=near.positions + torch.tensor(moves, dtype=torch.float64) @ near.cell[0])
    forcefield = pme(charged=True)
    assert_autograd(forcefield, far)
    for one, other in zip(mesh_alone(forcefield, near), mesh_alone(forcefield, far), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("place", [1e9, -1e17, 1e200, -1e300])
def test_places_that_no_integer_holds(place: float) -> None:
    state = State.from_atoms(frame(1, SKEWED))
    positions = state.positions.clone()
    positions[3] = torch.tensor([place, -0.3 * place, 2.0], dtype=torch.float64)
    energy, forces, _ = mesh_alone(pme(bonded=False), state.replace(positions=positions))
    assert np.isfinite(energy).all() and np.isfinite(forces).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_energy(value: float) -> None:
    forcefield = ForceField.batch([pme(), pme()])
    state = State.from_atoms([frame(1, CUBE), frame(2, SKEWED)])
    positions = state.positions.clone()
    positions[4, 1] = value
    energy = mesh_alone(forcefield, state.replace(positions=positions))[0]
    assert np.isnan(energy[0]) and np.isfinite(energy[1])
    assert not bool(torch.isfinite(forcefield.evaluate(state.replace(positions=positions)).energy[0]))
    cells = state.cell.clone()
    cells[0, 1, 1] = value
    assert np.isnan(mesh_alone(forcefield, state.replace(cell=cells))[0]).all()


def test_a_changed_cell_is_noticed() -> None:
    """Between evaluations of one force field: nothing is left of the old cell, nor of the old mesh."""
    frames = [frame(1, CUBE), frame(2, SKEWED)]
    state, forcefield = State.from_atoms(frames), ForceField.batch([pme(True), pme()])
    before = forcefield.evaluate(state, stress=True)
    sheared = torch.eye(3, dtype=torch.float64)
    sheared[0, 1] = 1e-7
    last = None
    for deformation in (sheared, 1.001 * sheared, sheared.T, 2.0 * sheared, 0.9 * sheared, torch.eye(3).double()):
        both = torch.stack([torch.eye(3).double(), deformation])  # one cell of the two
        cell, positions = state.cell @ both, state.positions.clone()
        positions[N:] = positions[N:] @ deformation
        moved = state.replace(cell=cell, positions=positions)
        kept, fresh = (f.evaluate(moved, stress=True) for f in (forcefield, ForceField.batch([pme(True), pme()])))
        for name in ("energy", "forces", "stress"):
            torch.testing.assert_close(getattr(kept, name), getattr(fresh, name), rtol=1e-11, atol=1e-12)
        assert_autograd(forcefield, moved)
        assert last is None or float(kept.energy[1]) != last
        last = float(kept.energy[1])
        steps, forces = forcefield.compiled(moved), np.empty((2 * N, 3))
        np.testing.assert_allclose(steps(positions.numpy(), forces), fresh.energy.numpy(), rtol=1e-11)
        np.testing.assert_allclose(forces, fresh.forces.numpy(), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(kept.energy, before.energy, rtol=1e-12, atol=0)


@pytest.mark.parametrize("evaluate", [lambda f, s: f.evaluate(s), Potential.evaluate])
def test_a_mesh_that_no_memory_holds(evaluate) -> None:
    """Of a cell that a barostat has blown up, or one in other units."""
    frames = [frame(1, CUBE), frame(1, CUBE * [[1.0], [1.0], [1e9]])]
    with pytest.raises(LabkitError, match="frame 1: Pme: a cell of 9, 9, 9e.09 Å needs a mesh of .* check the cell"):
        evaluate(ForceField.batch([pme(), pme()]), State.from_atoms(frames))


def test_charges_and_settings_are_read_as_they_are() -> None:
    state, forcefield = State.from_atoms(frame(1, SKEWED)), pme()
    term = forcefield.terms["pme"]
    before = float(forcefield.evaluate(state).energy[0])
    with torch.no_grad():
        term.charges *= 2.0
    assert float(forcefield.evaluate(state).energy[0]) == pytest.approx(4 * before, rel=1e-12)
    term.alpha, term.mesh_spacing, term.nodes = 0.45, 0.7, 6
    assert_autograd(forcefield, state)


def test_nothing_is_left_to_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    state, forcefield = State.from_atoms(frame(1, CUBE)), pme()
    monkeypatch.setattr(Pme, "rest", lambda *_: pytest.fail("autograd was asked"))
    forcefield.evaluate(state, stress=True)
    assert forcefield.compiled(state).rest.still


def test_the_same_bits_again() -> None:
    state = State.from_atoms([frame(1, CUBE), frame(2, SKEWED)])
    found = [mesh_alone(ForceField.batch([pme(), pme(True)]), state) for _ in range(3)]
    assert all((one == other).all() for again in found[1:] for one, other in zip(found[0], again, strict=True))


@pytest.mark.parametrize("nodes", ORDERS)
def test_forces_and_virial_are_derivatives(nodes: int) -> None:
    state, forcefield = State.from_atoms(frame(5, SKEWED)), pme(True, nodes=nodes)
    _, forces, virial = mesh_alone(forcefield, state)

    def slope(positions: torch.Tensor, cell: torch.Tensor, step: float) -> float:
        up, down = (
            mesh_alone(forcefield, state.replace(positions=state.positions + s * positions, cell=state.cell + s * cell))
            for s in (step, -step)
        )
        return float(up[0][0] - down[0][0]) / (2 * step)

    random = np.random.default_rng(0)
    for _ in range(4):
        direction = random.normal(size=(N, 3))
        found = slope(torch.tensor(direction), torch.zeros_like(state.cell), 1e-5)
        assert found == pytest.approx(-(forces * direction).sum(), rel=1e-6, abs=1e-6)
        strain = torch.tensor(random.normal(size=(3, 3)))
        found = slope(state.positions @ strain, state.cell @ strain, 1e-5)
        assert found == pytest.approx(-(virial[0] * strain.numpy()).sum(), rel=1e-6, abs=1e-6)


def test_energies_do_not_jump_between_points() -> None:
    """What the force does along a way past many points of the mesh is what the energy loses."""
    state, forcefield = State.from_atoms(frame(6, CUBE)), pme(bonded=False, spacing=2.0)
    step, energies, work = torch.zeros_like(state.positions), [], []
    step[0] = torch.tensor([0.002, 0.003, -0.001], dtype=torch.float64)
    for k in range(2001):
        energy, forces, _ = mesh_alone(forcefield, state.replace(positions=state.positions + k * step))
        energies.append(energy[0])
        work.append((forces * step.numpy()).sum())
    lost = np.cumsum(0.5 * (np.array(work[1:]) + np.array(work[:-1])))
    np.testing.assert_allclose(energies[0] - np.array(energies[1:]), lost, atol=1e-6)


def ewald(forcefield: ForceField, atoms: ase.Atoms) -> tuple[float, np.ndarray]:
    """The sum over waves, (2π k_e/V) Σ_k exp(-k²/4α²)/k² |Σ_i q_i exp(ik·r_i)|², and its forces."""
    waves = 2 * np.pi * np.linalg.inv(atoms.cell.array).T
    k = np.stack(np.meshgrid(*[np.arange(-16, 17)] * 3, indexing="ij"), -1).reshape(-1, 3) @ waves
    k = k[(k**2).sum(1) > 0]
    q, phases = forcefield.terms["pme"].charges.numpy(), np.exp(1j * atoms.positions @ k.T)
    k2 = (k**2).sum(1)
    heights, sums = 2 * np.pi * COULOMB / atoms.get_volume() * np.exp(-k2 / (4 * ALPHA**2)) / k2, q @ phases
    forces = 2 * q[:, None] * np.imag(phases * np.conj(sums) * heights) @ k
    return float((heights * np.abs(sums) ** 2).sum()), forces


@pytest.mark.parametrize(("nodes", "error"), [(3, 3e-2), (4, 5e-3), (5, 1e-3), (6, 2e-4), (7, 5e-5)])
def test_the_sum_is_ewalds(nodes: int, error: float) -> None:
    atoms, forcefield = frame(3, SKEWED), pme(True, bonded=False, nodes=nodes)
    charges = forcefield.terms["pme"].charges.numpy()
    energy, forces = ewald(forcefield, atoms)
    found = mesh_alone(forcefield, State.from_atoms(atoms))
    energy -= COULOMB * ALPHA / np.pi**0.5 * (charges**2).sum()
    energy -= COULOMB * np.pi * charges.sum() ** 2 / (2 * atoms.get_volume() * ALPHA**2)
    assert found[0][0] == pytest.approx(energy, rel=error)
    assert np.linalg.norm(found[1] - forces) < error * np.linalg.norm(forces)


@pytest.mark.parametrize("order", ORDERS)
def test_splines(order: int) -> None:
    x = np.linspace(-0.5, 0.5, 21)
    shares = pieces(order) @ x[None] ** np.arange(order)[:, None]
    np.testing.assert_allclose(shares.sum(0), 1.0, atol=1e-14)
    assert (shares > -1e-14).all()
    points = np.arange(order) - (order - 1) // 2
    place = x if order % 2 else x + 0.5
    np.testing.assert_allclose(points @ shares, place, atol=1e-14)  # a straight line is met
    np.testing.assert_allclose([*shares[1:, -1], 0.0], [*shares[:-1, 0], shares[0, -1]], atol=1e-14)  # no jump
    n, m = 32, 3  # waves long beside the points are met but for the order's error
    wave = (factors(order, n)[m] ** 0.5) * (np.exp(2j * np.pi * m * points / n) @ shares)
    np.testing.assert_allclose(wave, np.exp(2j * np.pi * m * place / n), atol=5 * (m / n) ** order)


def test_nonsense_is_told() -> None:
    with pytest.raises(LabkitError, match="nodes is 8"):
        Pme([1.0, -1.0], nodes=8)
    atoms = frame(1, CUBE)
    atoms.pbc = (True, True, False)
    with pytest.raises(LabkitError, match="not periodic"):
        pme().evaluate(State.from_atoms(atoms))
