"""Potentials over batches: forces and stresses against finite differences and ASE's own Lennard-Jones."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.lj import LennardJones
from torch import Tensor, nn

from labkit.base import Committee, Neighbours, Potential, State, Sum, System
from labkit.errors import LabkitError


class Pair(Potential):
    """Shifted Lennard-Jones, as ase.calculators.lj writes it."""

    def __init__(self, epsilon: float = 0.1, sigma: float = 2.2, cutoff: float = 5.0) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.epsilon = nn.Parameter(torch.tensor(epsilon, dtype=torch.float64))
        self.sigma = sigma

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        c6 = (self.sigma**2 / vectors.square().sum(1)) ** 3
        shift = (self.sigma / self.cutoff) ** 6
        energy = 2 * self.epsilon * (c6**2 - c6 - shift**2 + shift)
        return energy.new_zeros(system.n_atoms).index_add(0, near.i, energy)


def crystals() -> list[Atoms]:
    rng = np.random.default_rng(3)
    cell = [[3.9, 0, 0], [1.2, 4.2, 0], [-0.8, 0.9, 4.1]]
    neon = Atoms("Ne2", [[0, 0, 0], [2.1, 0.4, 1.0]], cell=cell, pbc=True)
    frames = [bulk("Ar", a=4.4), bulk("Mg", a=3.3, c=5.2) * (2, 1, 1), neon]
    for frame in frames:
        frame.positions += rng.normal(0, 0.1, frame.positions.shape)
    return frames


def test_batch_against_ase() -> None:
    frames = crystals()
    result = Pair().evaluate(State.from_atoms(frames), stress=True, per_atom=True)
    start = 0
    for s, frame in enumerate(frames):
        frame.calc = LennardJones(epsilon=0.1, sigma=2.2, rc=5.0)
        end = start + len(frame)
        assert float(result.energy[s].detach()) == pytest.approx(frame.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(result.forces[start:end].detach(), frame.get_forces(), atol=1e-10)
        np.testing.assert_allclose(result.stress[s].detach(), frame.get_stress(voigt=False), atol=1e-12)
        np.testing.assert_allclose(result.per_atom[start:end].detach(), frame.get_potential_energies(), atol=1e-10)
        start = end


def test_open_and_periodic_share_a_batch() -> None:
    open_frame, periodic = molecule("C6H6"), crystals()[1]
    both = Pair().evaluate(State.from_atoms([open_frame, periodic]))
    for frame, energy in zip((open_frame, periodic), both.energy, strict=True):
        assert float(energy) == pytest.approx(float(Pair().evaluate(State.from_atoms(frame)).energy[0]), abs=1e-12)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_calculator_against_finite_differences(which: int) -> None:
    atoms = crystals()[which]
    atoms.calc = Pair().calculator()
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-5), atol=1e-6)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-7)
    assert atoms.get_potential_energies().sum() == pytest.approx(atoms.get_potential_energy())


def test_calculator_follows_changes_of_atoms() -> None:
    atoms = crystals()[1]
    atoms.calc = Pair().calculator()
    first = atoms.get_potential_energy()
    atoms.positions[0] += 0.2
    assert atoms.get_potential_energy() != first
    other = crystals()[0]
    atoms.calc.calculate(other, ["energy"])
    fresh = float(Pair().evaluate(State.from_atoms(other)).energy[0])
    assert atoms.calc.results["energy"] == pytest.approx(fresh)


def test_gradient_of_forces_with_respect_to_parameters() -> None:
    model, state = Pair(), State.from_atoms(crystals()[1])
    (model.evaluate(state, create_graph=True).forces ** 2).sum().backward()
    expected = 2 * (model.evaluate(state).forces ** 2).sum() / model.epsilon  # forces are linear in epsilon
    torch.testing.assert_close(model.epsilon.grad, expected.detach())


def test_sum_and_committee() -> None:
    state = State.from_atoms(crystals())
    a, b, c = Pair(0.1), Pair(0.2, cutoff=4.0), Pair(0.4)
    total = (a + b + c).evaluate(state, stress=True)
    assert isinstance(a + b + c, Sum) and len((a + b + c).potentials) == 3
    parts = [p.evaluate(state, stress=True) for p in (a, b, c)]
    torch.testing.assert_close(total.forces, sum(p.forces for p in parts))
    torch.testing.assert_close(total.stress, sum(p.stress for p in parts))
    for kept, part in zip(total.parts, parts, strict=True):
        torch.testing.assert_close(kept.energy, part.energy)
        torch.testing.assert_close(kept.forces, part.forces)
    committee = Committee([a, b, c]).evaluate(state, stress=True, per_atom=True)
    parts = [p.evaluate(state, stress=True, per_atom=True) for p in (a, b, c)]
    for name in ("energy", "forces", "stress", "per_atom"):
        members = torch.stack([getattr(p, name) for p in parts])
        torch.testing.assert_close(getattr(committee.members, name), members)
        torch.testing.assert_close(getattr(committee, name), members.mean(0))
    energies_alone = Committee([a, b, c]).evaluate(state, forces=False).members
    assert energies_alone.energy.shape == (3, 3) and energies_alone.forces is None


def test_neighbours_may_be_given_and_a_committee_searches_once(monkeypatch) -> None:
    from labkit.base import neighbour_list as module

    searches, search = [], module.find_neighbours
    monkeypatch.setattr(
        module, "find_neighbours", lambda *given, **more: searches.append(given) or search(*given, **more)
    )
    frames = crystals()
    state = State.from_atoms(frames)
    members = [Pair(0.1), Pair(0.2, cutoff=4.0), Pair(0.4)]
    committee = Committee(members)
    found = committee.evaluate(state, stress=True)
    assert len(searches) == 1
    alone = [State.from_atoms(frame) for frame in frames]
    near = [search(s.system, s.positions, s.cell, committee.cutoff) for s in alone]
    together = Neighbours.collate(near, state.system.counts.tolist())
    for potential in (committee, members[1], members[0] + members[1]):
        given, expected = (potential.evaluate(state, stress=True, neighbours=n) for n in (together, None))
        for name in ("energy", "forces", "stress"):
            torch.testing.assert_close(getattr(given, name), getattr(expected, name), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.energy, committee.evaluate(state, neighbours=together).energy)
    searches.clear()
    committee.evaluate(state, neighbours=together)
    assert not searches
    with pytest.raises(LabkitError, match="1 lists for 2 systems; give one for each"):
        Neighbours.collate(near[:1], [2, 2])


def test_a_sum_is_compiled_only_where_all_parts_are() -> None:
    """A part that looks at the step would else see that of the first of many steps."""

    class Compiles(Pair):
        def compiled(self, state):
            return lambda positions, forces: np.zeros(1)

    state = State.from_atoms(molecule("H2O"))
    assert (Compiles(0.1) + Pair(0.2)).compiled(state) is None
    assert (Compiles(0.1) + Compiles(0.2)).compiled(state) is not None


def test_clear_errors() -> None:
    state = State.from_atoms(molecule("H2O"))
    with pytest.raises(LabkitError, match="not periodic"):
        Pair().evaluate(state, stress=True)
    with pytest.raises(LabkitError, match="at least 2"):
        Committee([Pair()])
    with pytest.raises(LabkitError, match="^frame 0: periodic along lattice vector b, but that vector is zero"):
        State.from_atoms(Atoms("H", cell=[3, 0, 3], pbc=True))
    with pytest.raises(LabkitError, match="frame 0, atom 1.*not finite"):
        State.from_atoms(Atoms("H2", [[0, 0, 0], [np.nan, 0, 0]]))
    with pytest.raises(LabkitError, match="atomic number 0"):
        State.from_atoms(Atoms("X"))
    with pytest.raises(LabkitError, match="no frames"):
        State.from_atoms([])


def test_round_trip_of_atoms() -> None:
    frames = crystals()
    for frame in frames:
        frame.set_velocities(np.random.default_rng(0).normal(size=frame.positions.shape))
    back = State.from_atoms(frames).to_atoms()
    for frame, copy in zip(frames, back, strict=True):
        np.testing.assert_allclose(copy.get_velocities(), frame.get_velocities(), atol=1e-14)
        assert copy == frame


def test_states_in_one_batch() -> None:
    frames = [molecule("CH4"), *crystals(), molecule("H2O")]
    pieces = [
        State.from_atoms(frames[:2], seed=7),
        State.from_atoms(frames[2], seed=8),
        State.from_atoms(frames[3:], seed=9),
    ]
    whole, batch = State.from_atoms(frames), State.batch(pieces)
    for name in ("positions", "velocities", "cell"):
        assert getattr(batch, name).equal(getattr(whole, name))
    for name in ("numbers", "masses", "index", "pbc"):
        assert getattr(batch.system, name).equal(getattr(whole.system, name))
    assert (
        batch.seed.tolist() == torch.cat([piece.seed for piece in pieces]).tolist()
        and batch.forces is None
        and not batch.aux
    )
    with pytest.raises(LabkitError, match="no states were given"):
        State.batch([])
