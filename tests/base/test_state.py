"""States: taking systems out, putting them back, other dtypes, files."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import State
from labkit.base.selection import OF_ATOMS, OF_SYSTEMS
from labkit.errors import LabkitError

NAMES = ("H2O", "CH4", "C6H6", "CO")


def batch(seed: int = 3) -> State:
    state = State.from_atoms([molecule(name) for name in NAMES] + [bulk("Cu")], seed=seed)
    n, systems = state.system.n_atoms, state.system.n_systems
    random = torch.Generator().manual_seed(0)
    return state.replace(
        forces=torch.randn(n, 3, generator=random, dtype=torch.float64),
        energy=torch.randn(systems, generator=random, dtype=torch.float64),
        step=torch.arange(systems),
        aux={"heat": torch.randn(systems, generator=random), "walker": torch.arange(systems)},
        atom_aux={"acting": torch.randn(n, 3, generator=random)},
    )


def equal(a: State, b: State) -> bool:
    same = all(getattr(a, name).equal(getattr(b, name)) for name in (*OF_ATOMS, *OF_SYSTEMS))
    same &= all(
        getattr(a.system, name).equal(getattr(b.system, name)) for name in ("numbers", "masses", "index", "pbc")
    )
    pairs = ((a.aux, b.aux), (a.atom_aux, b.atom_aux))
    return same and all(x.keys() == y.keys() and all(x[k].equal(y[k]) for k in x) for x, y in pairs)


@given(st.permutations(range(5)), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_systems_taken_out_one_by_one_make_the_batch(order, count) -> None:
    state = batch()
    which = order[:count]
    assert equal(state[which], State.batch([state[i] for i in which]))
    assert equal(state[torch.tensor(which)], state[np.array(which)])


def test_masks_slices_and_numbers() -> None:
    state = batch()
    mask = torch.tensor([True, False, True, False, True])
    assert equal(state[mask], state[[0, 2, 4]]) and equal(state[mask.numpy()], state[0:5:2])
    assert equal(state[1], state[[1]]) and equal(state[-1], state[[4]])
    assert state[[1, 3]].to_atoms()[1].symbols.get_chemical_formula() == "CO"


@pytest.mark.parametrize("which", [[0, 0], [], torch.zeros(5, dtype=torch.bool), [7], torch.ones(3, dtype=torch.bool)])
def test_what_is_not_there_is_refused(which) -> None:
    with pytest.raises(LabkitError, match=r"state\["):
        batch()[which]


@given(st.lists(st.booleans(), min_size=5, max_size=5))
@settings(max_examples=20, deadline=None)
def test_where_puts_systems_back(mask) -> None:
    a = batch()
    b = a.replace(positions=a.positions + 1, step=a.step + 10, energy=-a.energy, aux={**a.aux, "heat": -a.aux["heat"]})
    mask = torch.tensor(mask)
    found = State.where(mask, a, b)
    for i in range(5):
        assert equal(found[i], (a if mask[i] else b)[i])


def test_where_refuses_other_systems_and_lonely_entries() -> None:
    a = batch()
    with pytest.raises(LabkitError, match="of different systems"):
        State.where(torch.ones(5, dtype=torch.bool), a, a[[1, 0, 2, 3, 4]])
    with pytest.raises(LabkitError, match=r"aux\['heat'\]"):
        State.where(torch.ones(5, dtype=torch.bool), a, a.replace(aux={"walker": a.aux["walker"]}))
    with pytest.raises(LabkitError, match="mask"):
        State.where(torch.ones(4, dtype=torch.bool), a, a)


def test_aux_has_the_shape_of_its_scope() -> None:
    state = batch()
    with pytest.raises(LabkitError, match="one row for each system"):
        state.replace(aux={"heat": torch.zeros(3)})
    with pytest.raises(LabkitError, match="one row for each atom"):
        state.replace(atom_aux={"acting": torch.zeros(5, 3)})


def test_other_dtype_keeps_whole_numbers() -> None:
    state = batch().to(torch.float32)
    for value in (state.positions, state.energy, state.system.masses, state.aux["heat"]):
        assert value.dtype == torch.float32
    for value in (state.step, state.seed, state.system.numbers, state.aux["walker"]):
        assert value.dtype == torch.int64
    assert state.to("cpu", torch.float64).positions.dtype == torch.float64


def test_files(tmp_path) -> None:
    state = batch()
    state.save(tmp_path / "state.safetensors")
    assert equal(State.load(tmp_path / "state.safetensors"), state)
    plain = State.from_atoms(molecule("H2O"))
    plain.save(tmp_path / "plain.safetensors")
    assert State.load(tmp_path / "plain.safetensors").forces is None


def test_a_damaged_file_is_refused(tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    batch().save(path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(LabkitError, match=r"state\.safetensors"):
        State.load(path)


def test_replicas_need_seeds_of_their_own() -> None:
    water = State.from_atoms(molecule("H2O"))
    with pytest.raises(LabkitError, match="systems 0 and 1 have the same seed"):
        State.batch([water] * 2)
    assert len(State.batch([water] * 3, seed=1).seed.unique()) == 3
    assert State.batch([water] * 3, equal_seeds=True).seed.tolist() == [0, 0, 0]
    assert State.from_atoms([molecule("H2O")] * 2, seed=[4, 4], equal_seeds=True).seed.tolist() == [4, 4]
