"""A checkpoint knows its run: whatever shapes a run, another one is refused, and nothing of it is changed."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones as LJ
from ase.calculators.mixing import SumCalculator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from labkit.base import AsePotential, ModulePotential, Observer, Potential, State, TorchmdPotential
from labkit.engine import Checkpoint, simulate
from labkit.engine.description import describe
from labkit.engine.fingerprint import differences, fingerprint
from labkit.engine.observers import ExtXyz, Record
from labkit.errors import LabkitError
from labkit.files import tensors_digest
from labkit.forcefield import Bias
from labkit.spectra import Response
from tests.base.all_potentials import CASES
from tests.engine.observers_of_all_kinds import every_observer
from tests.engine.toys import Ideal, LennardJones, Nothing, Verlet, fluid

pytestmark = pytest.mark.filterwarnings("ignore:.*is the slow path")
STATE = fluid(1)
SCALE = 2.0


def run(path, potential, *, state=STATE, steps=4, integrator=None, observers=(), **more):
    integrator = integrator or Verlet()
    return simulate(state, potential, integrator, steps, 1.0, observers=observers, checkpoint=path / "c", **more)


def refused(path, match, potential, **more):
    """A run is refused, and neither the checkpoint nor any other file is changed."""
    before = {file: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(LabkitError, match=match):
        run(path, potential, **{"steps": 8, **more})
    assert {file: file.read_bytes() for file in path.iterdir()} == before


# starts


@pytest.mark.parametrize("name, unit", [("positions", "Å"), ("velocities", "Å/fs"), ("cell", "Å")])
def test_another_start_is_refused_and_the_difference_said(name, unit, tmp_path):
    run(tmp_path, Ideal())
    moved = STATE.replace(**{name: getattr(STATE, name) + 0.25})
    refused(tmp_path, f"starts from other {name} .*differ by up to 0.25 {unit}.*resume=False", Ideal(), state=moved)
    assert run(tmp_path, Ideal(), steps=8).loop_step == 8


def test_a_start_that_was_prepared_again_may_differ_in_the_last_digits(tmp_path):
    run(tmp_path, Ideal())
    assert run(tmp_path, Ideal(), state=STATE.replace(positions=STATE.positions * (1 + 1e-9)), steps=8).loop_step == 8


def test_a_run_continues_from_the_state_of_its_checkpoint(tmp_path):
    whole = run(tmp_path, LennardJones(), steps=12)
    (tmp_path / "c").unlink()
    end = run(tmp_path, LennardJones())
    assert Checkpoint.last_state(tmp_path / "c", STATE).positions.equal(end.positions)
    on = run(tmp_path, LennardJones(), state=end)  # 4 to 8
    again = run(tmp_path, LennardJones(), state=end)  # resumes at 8
    assert again.positions.equal(on.positions) and again.loop_step == 8
    assert run(tmp_path, LennardJones(), state=again).positions.equal(whole.positions)
    refused(tmp_path, "starts at step 8, this run at step 4", LennardJones(), state=end)
    refused(tmp_path, "starts at step 8, this run at step 0", LennardJones(), steps=20)


def test_a_run_may_be_known_by_another_state_than_it_starts_from(tmp_path):
    minimised = STATE.replace(positions=STATE.positions * 1.01)
    run(tmp_path, Ideal(), state=minimised, start=STATE)
    assert run(tmp_path, Ideal(), steps=8, start=STATE).loop_step == 8
    refused(tmp_path, "other positions", Ideal(), start=minimised)


# potentials


class Spring(Calculator):
    """Of a learner's own, with an attribute that ASE does not know."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, k):
        super().__init__()
        self.k = k

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        where = atoms.positions - atoms.positions.mean(0)
        self.results = {"energy": 0.5 * self.k * (where**2).sum(), "forces": -self.k * where}


class Wells:
    def __init__(self, k):
        self.k = k

    def calculate(self, pos, box):
        return self.k * pos.square().sum((1, 2)), -2 * self.k * pos


def closed(k):
    """An object that shows nothing of what it computes."""
    energy = {"k": k}.__getitem__

    class Closed:
        __slots__ = ()

        def calculate(self, pos, box):
            return energy("k") * pos.square().sum((1, 2)), -2 * energy("k") * pos

    return Closed()


class Own(Ideal):
    """A potential of a learner's own, with a value of any kind as attribute."""

    def __init__(self, value, name="value"):
        super().__init__()
        setattr(self, name, value)


class Edited(Ideal):
    def energy(self, system, positions, cell, neighbours):
        return positions.sum() * 0.0 + positions.new_zeros(system.n_systems) + 1.0


Edited.__qualname__ = Edited.__name__ = "Ideal"


class Wider(Ideal):
    cutoff = 0.75


Wider.__qualname__ = Wider.__name__ = "Ideal"


def harmonic(k):
    return lambda positions: k * positions.square().sum()


def scaled(scale):
    global SCALE
    SCALE = scale
    return lambda positions: SCALE * positions.square().sum()


OTHERS = {
    "another ASE calculator": lambda which: AsePotential([LJ(rc=5.0), Spring(1.0)][which]),
    "a parameter of ASE's calculator": lambda which: AsePotential(LJ(rc=5.0, epsilon=[1.0, 1.001][which])),
    "an attribute of an own ASE calculator": lambda which: AsePotential(Spring([1.0, 2.0][which])),
    "a calculator within one": lambda which: AsePotential(SumCalculator([LJ(rc=5.0), LJ(rc=[5.0, 4.5][which])])),
    "an attribute of TorchMD's external": lambda which: TorchmdPotential(Wells([0.01, 0.011][which])),
    "an external that shows nothing": lambda which: TorchmdPotential(closed([0.01, 0.0101][which])),
    "the unit of an external": lambda which: TorchmdPotential(Wells(0.01), [1.0, 1.5][which]),
    "a function's variable": lambda which: ModulePotential(harmonic([0.1, 0.2][which])),
    "a function's global": lambda which: ModulePotential(scaled([0.1, 0.2][which])),
    "a function's code": lambda which: ModulePotential([lambda r: r.sum(), lambda r: r.sum() * 2][which]),
    "a bias": lambda which: Bias(lambda r, cell: r[0, 0], [lambda s: s, lambda s: s + 1.0][which]),
    "the formula of an own potential": lambda which: [Ideal, Edited][which](),
    "an attribute of an own class": lambda which: [Ideal, Wider][which](),
    "a list": lambda which: Own([[1.0, 2.0], [1.0, 2.5]][which]),
    "a long list": lambda which: Own([0.0] * 100 + [[1.0], [2.0]][which]),
    "a dict of tuples": lambda which: Own({"O": ((1, 2), [3, 4][which])}),
    "an array": lambda which: Own(np.arange(30.0) + which),
    "a tensor that torch does not know": lambda which: Own(torch.arange(30.0) + which),
    "a private number": lambda which: Own([1.0, 2.0][which], "_k"),
    "a number of numpy's": lambda which: Own(np.int64(which)),
    "a function as attribute": lambda which: Own([harmonic(1.0), harmonic(2.0)][which]),
    "an object": lambda which: Own(Wells(which)),
    "a module in a list": lambda which: Own([torch.nn.ELU([1.0, 2.0][which])]),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_potential_is_refused(kind, tmp_path):
    run(tmp_path, OTHERS[kind](0))
    assert run(tmp_path, OTHERS[kind](0), steps=6).loop_step == 6
    refused(tmp_path, "another run: .*potential", OTHERS[kind](1))
    assert run(tmp_path, OTHERS[kind](1), steps=8, retrained=True).loop_step == 8


def test_a_random_external_is_not_compared(tmp_path):
    class Noise:
        def calculate(self, pos, box):
            return pos.sum((1, 2)) * 0, torch.randn_like(pos) * 1e-3

    run(tmp_path, TorchmdPotential(Noise()))
    assert run(tmp_path, TorchmdPotential(Noise()), steps=8).loop_step == 8


@dataclass(frozen=True)
class Plain(Verlet):
    """An integrator with a function, a module and a list."""

    rule: object = None


class Loose(Verlet):
    """An integrator that is no dataclass of its own."""

    def __init__(self, k):
        object.__setattr__(self, "k", k)


@pytest.mark.parametrize(
    "make",
    [
        lambda which: Plain(harmonic([1.0, 2.0][which])),
        lambda which: Plain([torch.nn.ELU([1.0, 2.0][which])]),
        lambda which: Plain(Wells(which)),
    ],
)
def test_another_integrator_is_refused(make, tmp_path):
    run(tmp_path, Ideal(), integrator=make(0))
    assert run(tmp_path, Ideal(), steps=6, integrator=make(0)).loop_step == 6
    refused(tmp_path, "another run: integrator.rule", Ideal(), integrator=make(1))


@pytest.mark.parametrize("name", CASES)
def test_what_a_potential_remembers_does_not_make_it_another(name):
    """Its fingerprint is that of one that was never evaluated, also after it was stored as JSON."""
    state = State.from_atoms(CASES[name].frames())
    fresh, used = CASES[name].make(), CASES[name].make()
    mark = json.loads(json.dumps(fingerprint(state, fresh, Verlet(), 1.0)))
    used.evaluate(state)
    used.evaluate(state.replace(positions=state.positions + 0.01))
    assert differences(mark, fingerprint(state, used, Verlet(), 1.0)) == []


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=70) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=80,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(PLAIN, PLAIN)
def test_descriptions_differ_where_values_do(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (json.dumps(describe(one), sort_keys=True) == json.dumps(describe(other), sort_keys=True)) == same
    marks = [fingerprint(STATE, Own(value), Verlet(), 1.0) for value in (one, other)]
    assert bool(differences(json.loads(json.dumps(marks[0])), marks[1])) == (describe(one) != describe(other))


# observers


class Model:
    """A polarizability, as far as Response is concerned."""

    cutoff = 2.0

    def __init__(self, size):
        self.size = size

    def __call__(self, system, positions, cell, neighbours):
        return self.size * torch.eye(3, dtype=positions.dtype).expand(system.n_systems, 3, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda which: Response(polarizability=Model([1.0, 2.0][which]), every=1),
        lambda which: Response(polarizability=Model(1.0), velocities=bool(which), every=1),
        lambda which: Record([lambda s: s.cell[:, 0, 0], lambda s: s.cell[:, 1, 1]][which], 1),
    ],
)
def test_an_observer_of_something_else_is_refused(make, tmp_path):
    run(tmp_path, Nothing(), observers=[make(0)])
    refused(tmp_path, "another run: settings of the observers", Nothing(), observers=[make(1)])
    watch = make(0)
    run(tmp_path, Nothing(), steps=8, observers=[watch])
    assert watch.steps.tolist() == list(range(9))


def test_files_of_another_run_are_not_cut(tmp_path):
    """Each observer's file is replaced by a longer one of another run: refused, and both stay as they are."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    argon = fluid(2)
    for folder, state, steps in ((mine, argon, 24), (other, argon.replace(velocities=argon.velocities * 1.5), 60)):
        folder.mkdir()
        run(folder, LennardJones(), state=state, steps=steps, observers=every_observer(folder), checkpoint_every=12)
    files = [path for path in mine.iterdir() if path.name not in ("c", "run.h5")]  # HDF5 has a test of its own
    assert len(files) >= 4
    for path in files:
        whole = path.read_bytes()
        path.write_bytes((other / path.name).read_bytes())
        assert path.stat().st_size > len(whole)
        refused(mine, f"{path.name}: is not the file of this run", LennardJones(), state=argon, steps=36,
                observers=every_observer(mine), checkpoint_every=12)  # fmt: skip
        path.write_bytes(whole)
    run(mine, LennardJones(), state=argon, steps=36, observers=every_observer(mine), checkpoint_every=12)


def test_chunks_of_another_hdf5_file_are_not_taken(tmp_path):
    pytest.importorskip("h5py")
    from labkit.engine.observers import Hdf5

    def go(folder, state, steps):
        folder.mkdir(exist_ok=True)
        more = {"observers": [Hdf5(folder / "run.h5", every=1)], "checkpoint_every": 25}
        return run(folder, Nothing(), state=state, steps=steps, **more)

    state = fluid(4)  # 256 atoms: 21 frames in a chunk
    go(tmp_path / "mine", state, 50)
    go(tmp_path / "other", state.replace(positions=state.positions + 1.0), 75)
    (tmp_path / "mine" / "run.h5").write_bytes((tmp_path / "other" / "run.h5").read_bytes())
    with pytest.raises(LabkitError, match="is not the file of this run"):
        go(tmp_path / "mine", state, 75)
    assert (tmp_path / "mine" / "run.h5").read_bytes() == (tmp_path / "other" / "run.h5").read_bytes()


def test_own_observers_may_change_but_for_what_they_name(tmp_path):
    class Fails(Observer):
        def __init__(self, at):
            self.at = at

        def __call__(self, state, evaluation):
            return None

    run(tmp_path, Ideal(), observers=[Fails(1)])
    assert run(tmp_path, Ideal(), steps=8, observers=[Fails(2)]).loop_step == 8


# earlier versions


def earlier(path):
    """Rewrite a checkpoint as version 2 wrote it."""
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["labkit"])
        tensors = {name: file.get_tensor(name) for name in file.keys() if not name.startswith("start.")}  # noqa: SIM118
    for name in ("start", "shapes", "digest"):
        del header[name]
    for name in ("further tensors of the potential", "settings of the observers"):
        del header["run"][name]
    header["format"] = "labkit run 2"
    for position in header["positions"]:
        del position["tails"]
    header["digest"] = tensors_digest({"labkit": json.dumps(header)}, tensors)
    save_file(tensors, path, {"labkit": json.dumps(header)})


def test_a_checkpoint_of_an_earlier_version_is_continued_and_it_is_said(tmp_path):
    watch = lambda: [ExtXyz(tmp_path / "run.extxyz", every=1)]  # noqa: E731
    whole = run(tmp_path, LennardJones(), steps=8, observers=watch())
    run(tmp_path, LennardJones(), observers=watch(), resume=False)
    earlier(tmp_path / "c")
    wider = LennardJones()
    wider.skin = 0.7
    with pytest.raises(LabkitError, match=r"another run: timestep"):
        simulate(STATE, LennardJones(), Verlet(), 8, 2.0, checkpoint=tmp_path / "c", observers=watch())
    with pytest.warns(UserWarning, match="continued from step 4.*does not say where its run started"):
        end = run(tmp_path, LennardJones(), steps=8, observers=watch())
    assert end.positions.equal(whole.positions)
    refused(tmp_path, "other positions", LennardJones(), state=STATE.replace(positions=STATE.positions + 1.0),
            observers=watch())  # fmt: skip


def test_the_state_of_a_damaged_file_or_of_other_atoms_is_not_given(tmp_path):
    run(tmp_path, Ideal())
    with pytest.raises(LabkitError, match=r"positions are \(4, 3\), this run's system has \(32, 3\)"):
        Checkpoint.last_state(tmp_path / "c", fluid(2))
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:-3])
    with pytest.raises(LabkitError, match="not a readable checkpoint"):
        Checkpoint.last_state(tmp_path / "c", STATE)


def test_every_potential_of_this_file_is_one(tmp_path):
    assert all(isinstance(make(which), Potential) for make in OTHERS.values() for which in (0, 1))
