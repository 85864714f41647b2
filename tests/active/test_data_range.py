"""Whether a structure is outside the data: sparse points against the frames they are from, ice against molten ice."""

import numpy as np
import pytest
import torch
from ase import Atoms

import labkit
from labkit.active import DataRange, GpVariance, uncertainty_of
from labkit.base import Committee, ModulePotential, State
from labkit.gap import Design, Distance2b, GapConfig, GapModel, Soap

SMALL = Soap(cutoff=3.0, n_max=4, l_max=3, n_sparse=60)


@pytest.fixture(scope="module")
def ice():
    return labkit.datasets.ice("train", n=50)


@pytest.fixture(scope="module")
def model(ice) -> GapModel:
    return Design.build(ice, GapConfig(SMALL, sigma_force=0.05, sigma_virial=None)).solve()


def test_spreads_at_sparse_points_are_those_of_their_atoms(model, ice) -> None:
    """Sparse points are atoms of the training frames: each has the variance that the model gives to such an atom."""
    state = State.from_atoms(ice.atoms)
    everywhere, found = GpVariance(model)(state).per_atom, GpVariance(model).at_sparse_points()
    assert sorted(found) == [1, 8] and [len(found[z]) for z in (1, 8)] == [60, 60]
    for z, spreads in found.items():
        atoms = everywhere[state.system.numbers == z]
        assert (spreads[:, None] - atoms).abs().amin(1).max() < 1e-3 * spreads.max()


@pytest.mark.parametrize("given", [False, True])
def test_ice_is_inside_and_molten_ice_outside(model, ice, given) -> None:
    data = DataRange.of(model, ice if given else None)
    assert data.unit == "eV" and sorted(data.limits) == [1, 8]
    share = {}
    for name, frames in (("train", ice), ("valid", labkit.datasets.ice("valid")), ("molten", molten())):
        share[name] = np.mean([data.least_certain(frames.state([k])).outside for k in range(len(frames))])
    print(share)
    assert share["train"] <= (0.0 if given else 0.02) and share["valid"] < 0.05 and share["molten"] > 0.8


def molten():
    return labkit.datasets.ice("disordered")[::8]


def test_the_least_certain_atom_is_the_one_that_was_moved(model) -> None:
    atoms = labkit.datasets.ice("valid").atoms[0].copy()
    data = DataRange.of(model)
    hydrogen = int(np.flatnonzero(atoms.numbers == 1)[3])
    oxygens = np.flatnonzero(atoms.numbers == 8)
    nearest = oxygens[atoms.get_distances(hydrogen, oxygens, mic=True).argmin()]
    atoms.positions[hydrogen] += 0.4 * atoms.get_distance(nearest, hydrogen, mic=True, vector=True)
    found = data.least_certain(State.from_atoms(atoms))
    near = atoms.get_distances(hydrogen, range(len(atoms)), mic=True) < 1.5
    assert found.outside and near[found.atom]
    spread = GpVariance(model)(State.from_atoms(atoms)).per_atom[found.atom]
    assert found.spread == pytest.approx(float(spread))
    assert found.ratio == pytest.approx(found.spread / data.limits[int(atoms.numbers[found.atom])])


def test_an_unknown_element_is_outside(model, ice) -> None:
    data = DataRange.of(model, [ice.atoms[0]])
    data.limits.pop(8)
    assert data.least_certain(ice.state([0])).outside


def springs(stiffness: float) -> ModulePotential:
    return ModulePotential(lambda x: 0.5 * stiffness * x.square().sum())


def test_a_committee_is_compared_with_frames_that_are_given() -> None:
    committee = Committee([springs(1.0), springs(2.0), springs(3.0)])
    near, far = Atoms("H2", [[0, 0, 0], [0, 0, 1.0]]), Atoms("H2", [[0, 0, 0], [0, 0, 1.2]])
    data = DataRange.of(committee, [near])
    assert data.unit == "eV/Å" and data.limits == {1: pytest.approx(1.0)}  # the standard deviation of 1, 2, 3 times 1 Å
    found = data.least_certain(State.from_atoms(far))
    assert found.outside and found.ratio == pytest.approx(1.2) and found.atom == 1
    alone = DataRange.of(committee).least_certain(State.from_atoms(far))
    assert not alone.outside and np.isnan(alone.ratio) and alone.spread == pytest.approx(1.2)


def test_without_an_uncertainty_there_is_no_range(model, ice, tmp_path) -> None:
    assert uncertainty_of(springs(1.0)) is None and DataRange.of(springs(1.0)) is None
    model.save(tmp_path / "gap.safetensors", uncertainty=False)
    assert DataRange.of(GapModel.load(tmp_path / "gap.safetensors")) is None


def test_pair_terms_have_no_environments_as_sparse_points(ice) -> None:
    config = GapConfig([SMALL, Distance2b(cutoff=3.0)], sigma_force=0.05, sigma_virial=None)
    model = Design.build(ice[:10], config).solve()
    assert DataRange.of(model).limits == {} and sorted(DataRange.of(model, ice[:10]).limits) == [1, 8]
    assert torch.isfinite(GpVariance(model)(ice.state([0])).per_atom).all()
