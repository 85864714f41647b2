"""Every term: forces are its derivatives, a batch is its parts, parameters have gradients, nonsense is told."""

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk

from labkit.base import Potential, State
from labkit.errors import LabkitError
from labkit.forcefield import (
    Bias,
    Cmap,
    Contacts,
    Coulomb,
    FlatBottom,
    ForceField,
    GeneralizedBorn,
    GeometricLennardJones,
    HarmonicAngles,
    HarmonicBonds,
    HarmonicImpropers,
    LennardJones,
    Nbfix,
    Pairs14,
    Pme,
    Repulsion,
    RepulsionCG,
    Restraints,
    RyckaertBellemans,
    Torsions,
    UreyBradley,
)  # fmt: skip
from labkit.units import COULOMB, KCAL_PER_MOL

random = np.random.default_rng(5)
N = 8
CHAIN = [[i, i + 1, i + 2, i + 3] for i in range(N - 3)]
BONDS = [[i, i + 1] for i in range(N - 1)]
CHARGES = random.normal(size=N)
CHARGES -= CHARGES.mean()
SIGMA, EPSILON = random.uniform(0.9, 1.4, N), np.r_[random.uniform(0.003, 0.01, N - 1), 0.0]
RADII, SCREEN, KINDS = random.uniform(0.9, 1.3, N), random.uniform(0.7, 1.2, N), [0, 1, 2, 1, 0, 2, 2, 1]
SYMMETRIC = np.array([[3.0, 1.0, 0.4], [1.0, 2.0, 0.0], [0.4, 0.0, 1.5]])
NECK = (KINDS, random.uniform(0.05, 0.3, (3, 3)), random.uniform(1.5, 3.0, (3, 3)))
TERMS = {
    "bonds": HarmonicBonds(BONDS, k=20.0, r0=1.3),
    "urey_bradley": UreyBradley([[0, 2], [3, 5]], k=2.0, r0=2.2),
    "angles": HarmonicAngles([row[:3] for row in CHAIN], k=3.0, theta0=1.9),
    "torsions": Torsions(CHAIN, n=[1, 2, 3, 2, 1], phase=[0, np.pi, 0.4, 1.0, 0], k=random.normal(size=N - 3)),
    "rb": RyckaertBellemans(CHAIN, c=random.normal(size=(N - 3, 6))),
    "impropers": HarmonicImpropers(CHAIN, k=1.5, phi0=[3.1, -3.1, 0.2, 1.0, -1.0]),
    "cmap": Cmap([[0, 1, 2, 3, 1, 2, 3, 4], [2, 3, 4, 5, 3, 4, 5, 6]], [1, 0], random.normal(size=(2, 12, 12))),
    "contacts": Contacts([[0, 3], [1, 4]], repulsive=[2.0, 1.0], attractive=[0.0, 0.3]),
    "pairs14": Pairs14([[0, 3], [1, 4]], charge_product=[0.1, -0.2], sigma=[1.2, 1.0], epsilon=[0.01, 0.02]),
    "lj": LennardJones(SIGMA, EPSILON, BONDS),
    "lj_cut": LennardJones(SIGMA, EPSILON, BONDS, cutoff=5.5, switch=3.0, long_range_correction=True),
    "coulomb": Coulomb(CHARGES, BONDS),
    "reaction_field": Coulomb(CHARGES, BONDS, cutoff=5.5, dielectric=78.5),
    "pme": Pme(CHARGES, BONDS, cutoff=5.0, tolerance=1e-5),
    "repulsion": Repulsion(SIGMA, EPSILON, BONDS, cutoff=5.5),
    "repulsion_cg": RepulsionCG(SIGMA, EPSILON, BONDS),
    "nbfix": Nbfix(KINDS, SYMMETRIC, 0.2 * SYMMETRIC.T @ SYMMETRIC, BONDS),
    "nbfix_cut": Nbfix(KINDS, SYMMETRIC, 0.1 * SYMMETRIC, BONDS, 5.5, switch=3.0, long_range_correction=True),
    "geometric": GeometricLennardJones.of(SIGMA, EPSILON, BONDS),
    "geometric_cut": GeometricLennardJones.of(SIGMA, EPSILON, BONDS, 5.5, switch=3.0, long_range_correction=True),
    "born_obc2": GeneralizedBorn(CHARGES, RADII, SCREEN),
    "born_necks": GeneralizedBorn(
        CHARGES,
        RADII,
        SCREEN,
        random.uniform(0.4, 0.9, (N, 3)),
        NECK,
        neck_scale=0.8,
        offset=0.2,
        kappa=0.1,
        cutoff=5.5,
    ),
    "born_hct": GeneralizedBorn(CHARGES, RADII, 0.4 * SCREEN, (1, 0, 0), saturating=False, surface_tension=0.0),
    "restraints": Restraints([[1], [4]], k=2.0, centres=random.normal(size=(2, 3))),
    "flat_bottom": FlatBottom([[1], [4]], k=2.0, centres=random.normal(size=(2, 3)), radius=[0.5, 1.0]),
}
CELL = np.array([[7.0, 0, 0], [1.5, 6.5, 0], [-1.0, 0.8, 7.2]])


def frame(seed: int, pbc: bool = True) -> ase.Atoms:
    """A crooked chain in a triclinic cell smaller than twice the cutoffs."""
    r = np.random.default_rng(seed)
    steps = 1.3 * np.array([1.0, 0, 0]) + 0.6 * r.normal(size=(N, 3))
    return ase.Atoms(f"C{N}", positions=np.cumsum(steps, 0), cell=CELL, pbc=pbc)


@pytest.fixture(params=list(TERMS))
def term(request: pytest.FixtureRequest) -> Potential:
    return TERMS[request.param]


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
