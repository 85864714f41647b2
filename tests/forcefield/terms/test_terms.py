"""Every term: forces are its derivatives, a batch is its parts, parameters have gradients, nonsense is told."""

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk

import labkit.forcefield
from labkit.base import Potential, State
from labkit.errors import LabkitError
from labkit.forcefield import Bias, Coulomb, ForceField, HarmonicBonds, LennardJones, Pme, RepulsionCG, Term
from labkit.units import COULOMB, KCAL_PER_MOL
from tests.forcefield.terms.all_terms import CHARGES, TERMS, N, frame


@pytest.fixture(params=list(TERMS))
def term(request: pytest.FixtureRequest) -> Potential:
    return TERMS[request.param]


def test_every_term_has_a_case() -> None:
    public = [value for value in vars(labkit.forcefield).values() if isinstance(value, type)]
    assert {kind for kind in public if issubclass(kind, Term) and kind is not Term} == set(map(type, TERMS.values()))


def test_forces_and_stress_are_derivatives(term: Potential) -> None:
    state = State.from_atoms(frame(1))
    found = term.evaluate(state, stress=True)
    step = 1e-5

    def energy(moved: State) -> float:
        return float(term.evaluate(moved, forces=False).energy[0])

    scale = max(1.0, float(found.forces.abs().max()))
    for atom, axis in ((0, 0), (2, 1), (4, 2)):
        shift = torch.zeros_like(state.positions)
        shift[atom, axis] = step
        slope = energy(state.replace(positions=state.positions + shift))
        slope -= energy(state.replace(positions=state.positions - shift))
        assert float(found.forces[atom, axis]) == pytest.approx(-slope / (2 * step), abs=2e-6 * scale)
    for a, b in ((0, 0), (0, 1), (2, 1)):
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[a, b] += 0.5 * step
        strain[b, a] += 0.5 * step
        up, down = (
            state.replace(positions=state.positions @ (torch.eye(3) + s), cell=state.cell @ (torch.eye(3) + s))
            for s in (strain, -strain)
        )
        slope = (energy(up) - energy(down)) / (2 * step) / float(state.volume()[0])
        assert float(found.stress[0, a, b]) == pytest.approx(slope, abs=2e-6 * scale)


def test_a_batch_is_its_parts(term: Potential) -> None:
    frames = [frame(1), frame(2), frame(3)]
    forcefield = ForceField({"it": term}, N)
    together = forcefield.repeat(3).evaluate(State.from_atoms(frames), stress=True)
    for k, atoms in enumerate(frames):
        alone = forcefield.evaluate(State.from_atoms(atoms), stress=True)
        torch.testing.assert_close(together.energy[k], alone.energy[0], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(together.forces[k * N : (k + 1) * N], alone.forces, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(together.stress[k], alone.stress[0], rtol=1e-9, atol=1e-9)


def test_compiled_is_autograd(term: Potential) -> None:
    state = State.from_atoms(frame(4))
    forcefield = ForceField({"it": term}, N)
    fast, slow = forcefield.evaluate(state, stress=True), Potential.evaluate(forcefield, state, stress=True)
    for name in ("energy", "forces", "stress"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name), rtol=1e-10, atol=1e-10)


def test_parameters_have_gradients(term: Potential) -> None:
    state = State.from_atoms(frame(1))
    wanted = list(term.parameters())
    for parameter in wanted:
        parameter.requires_grad_()
    energy = term.evaluate(state, create_graph=True).energy.sum()
    for parameter, slope in zip(wanted, torch.autograd.grad(energy, wanted), strict=True):
        assert torch.isfinite(slope).all()
        at = tuple(0 for _ in parameter.shape)
        with torch.no_grad():
            values = []
            for step in (1e-5, -2e-5, 1e-5):
                parameter[at] += step
                values.append(float(term.evaluate(state, forces=False).energy[0]))
        parameter.requires_grad_(False)
        expected = (values[0] - values[1]) / 2e-5
        assert float(slope[at]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_closed_forms() -> None:
    pair = State.from_atoms(ase.Atoms("He2", positions=[[0, 0, 0], [0, 0, 1.5]]))
    assert float(Coulomb([1, -2]).evaluate(pair).energy[0]) == pytest.approx(-2 * COULOMB / 1.5)
    lj = LennardJones([1.2, 1.4], [0.01, 0.04]).evaluate(pair)
    assert float(lj.energy[0]) == pytest.approx(4 * 0.02 * ((1.3 / 1.5) ** 12 - (1.3 / 1.5) ** 6))
    cg = RepulsionCG([4, 4], [KCAL_PER_MOL] * 2).evaluate(pair)
    assert float(cg.energy[0]) == pytest.approx(4 * KCAL_PER_MOL * (4 / 1.5) ** 6)


def test_pme_gives_the_constant_of_madelung() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    charges = np.where(salt.numbers == 11, 1.0, -1.0)
    found = Pme(charges, cutoff=8.0, alpha=0.55, mesh_spacing=0.3, nodes=7).evaluate(State.from_atoms(salt))
    assert -float(found.energy[0]) / 4 / COULOMB * 2.82 == pytest.approx(1.7475645946, rel=1e-6)
    assert float(found.forces.abs().max()) < 1e-6


def test_different_systems_in_a_batch() -> None:
    short = ForceField({"bonds": HarmonicBonds([[0, 1]], 5.0, 1.0), "coulomb": Coulomb([1, -1])}, 2)
    long = ForceField({"coulomb": TERMS["coulomb"], "torsions": TERMS["torsions"]}, N)
    pair = ase.Atoms("He2", positions=[[0, 0, 0], [0, 0, 1.5]])
    both = ForceField.batch([short, long]).evaluate(State.from_atoms([pair, frame(1)]))
    assert float(both.energy[0]) == pytest.approx(float(short.evaluate(State.from_atoms(pair)).energy[0]), rel=1e-12)
    alone = long.evaluate(State.from_atoms(frame(1)))
    assert float(both.energy[1]) == pytest.approx(float(alone.energy[0]), rel=1e-12)
    with pytest.raises(LabkitError, match="give them zeros"):
        ForceField.batch([short, ForceField({"torsions": TERMS["torsions"]}, N)])


def test_a_bias_acts_on_each_system() -> None:
    bias = Bias(lambda r, cell: (r[3] - r[0]).norm(), lambda s: 0.5 * 4.0 * (s - 3.0) ** 2)
    frames = [frame(1), frame(2)]
    total = (ForceField({"b": TERMS["bonds"]}, N).repeat(2) + bias).evaluate(State.from_atoms(frames))
    for k, atoms in enumerate(frames):
        s = np.linalg.norm(atoms.positions[3] - atoms.positions[0])
        alone = float(ForceField({"b": TERMS["bonds"]}, N).evaluate(State.from_atoms(atoms)).energy[0])
        assert float(total.energy[k]) == pytest.approx(alone + 2.0 * (s - 3.0) ** 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HarmonicBonds([[0, 1, 2]], 1.0, 1.0), "3 atoms, expected 2"),
        (lambda: HarmonicBonds([[0, 1]], [1.0, 2.0], 1.0), "2 values of k for 1 rows"),
        (lambda: HarmonicBonds([[0, 1]], np.nan, 1.0), "k has a value that is not finite"),
        (lambda: LennardJones([1.0], [1.0], cutoff=-1.0), "expected a positive number or None"),
        (lambda: LennardJones([1.0], [1.0], cutoff=5.0, switch=6.0), "switch at 6.0 Å"),
        (lambda: Coulomb([1.0], dielectric=78.5), "needs a cutoff"),
        (lambda: ForceField({}, 3), "without terms"),
        (lambda: ForceField({"b": HarmonicBonds([[0, 7]], 1.0, 1.0)}, 3), "names atom 7 of 3 atoms"),
        (lambda: ForceField({"b": TERMS["bonds"]}, N).evaluate(State.from_atoms([frame(1)] * 2)), "repeat"),
        (lambda: Pme(CHARGES).evaluate(State.from_atoms(frame(1, pbc=False))), "not periodic"),
    ],
)
def test_nonsense_is_told(make, words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        make()
