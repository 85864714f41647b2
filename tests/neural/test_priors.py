"""A fixed potential beside the network: Zbl against LAMMPS, labels less the prior, and the sum that is saved."""

import numpy as np
import pytest
import torch
from ase import Atoms

from labkit.base import ModulePotential, State
from labkit.datasets import Dataset, ice
from labkit.errors import LabkitError, Stopped
from labkit.md.models import read_model
from labkit.neural import NeuralPotential, WithPrior, Zbl, load, train, untrained
from labkit.neural.priors import without_prior
from tests.base.test_potential import Pair
from tests.neural.test_training import SMALL, StopAfter, weights

FRAMES = ice("train", n=50)
CORE = Zbl(["H", "O"])


def pairs(symbols: str, distances) -> State:
    return State.from_atoms([Atoms(symbols, positions=[[0, 0, 0], [0, 0, r]]) for r in distances])


@pytest.mark.parametrize(("name", "one", "other"), [("OH", 8, 1), ("SiSi", 14, 14), ("CuO", 29, 8)])
def test_zbl_is_that_of_lammps(name, one, other) -> None:
    from labkit.lammps import lammps

    lmp = lammps()
    far = "-20 20"
    for line in (
        "units metal",
        "atom_modify map array",
        f"region box block {far} {far} {far}",
        "create_box 2 box",
        "create_atoms 1 single 0 0 0",
        "create_atoms 2 single 0 0 1",
        "mass * 1.0",
        "pair_style zbl 18.0 19.0",
        f"pair_coeff 1 1 {one} {one}",
        f"pair_coeff 2 2 {other} {other}",
        f"pair_coeff 1 2 {one} {other}",
        "neigh_modify delay 0 every 1 check no",
        "thermo_modify norm no",
    ):
        lmp.command(line)
    distances = [0.3, 0.5, 0.8, 1.2]
    ours = Zbl(["H", "O", "Si", "Cu"], reach=50.0).evaluate(pairs(name, distances)).forces[1::2, 2]
    for r, force in zip(distances, ours.tolist(), strict=True):
        lmp.command(f"set atom 2 z {r}")
        lmp.command("run 0")
        assert force == pytest.approx(float(lmp.numpy.extract_atom("f")[1, 2]), rel=1e-6)
    lmp.close()


def test_zbl_ends_where_bonds_are() -> None:
    found = CORE.evaluate(pairs("OH", [0.4, 0.969, 0.971]))
    assert float(found.energy[0]) > 30 and float(found.energy[1]) < 1e-6 and float(found.energy[2]) == 0
    with pytest.raises(LabkitError, match="frame 0, atom 0: C is unknown"):
        CORE.evaluate(pairs("CO", [0.5]))
    with pytest.raises(LabkitError, match="'Xx' is no element"):
        Zbl(["Xx"])


def test_labels_less_the_prior_are_those_of_the_rest() -> None:
    prior = Zbl(["H", "O"], reach=2.5)
    less, state = without_prior(FRAMES[:6], prior), FRAMES.state(slice(6))
    found = prior.evaluate(state, stress=True)
    assert float(found.energy.abs().max()) > 1 and float(found.stress.abs().max()) > 1e-3
    np.testing.assert_allclose(less.energy + found.energy.numpy(), FRAMES.energy[:6], rtol=1e-12)
    np.testing.assert_allclose(less.forces + found.forces.numpy(), FRAMES[:6].forces, atol=1e-10)
    np.testing.assert_allclose(less.stress + found.stress.numpy(), FRAMES.stress[:6], atol=1e-10)


def test_the_errors_that_are_minimised_are_those_of_the_sum() -> None:
    prior = Zbl(["H", "O"], reach=2.5)
    found = train(untrained(FRAMES, prior=prior, **SMALL), FRAMES[:16], FRAMES[40:], prior=prior, steps=60)
    assert isinstance(found.potential, WithPrior)
    got = found.potential.evaluate(FRAMES.state(slice(40, 50)))
    rmse = float(np.sqrt(np.mean((got.forces.numpy() - FRAMES[40:].forces) ** 2)))
    assert min(row["valid forces"] for row in found.history) == pytest.approx(rmse, rel=1e-3)


def test_with_the_core_atoms_repel_where_no_data_are(tmp_path) -> None:
    trained = train(untrained(FRAMES, prior=CORE, **SMALL), FRAMES[:16], prior=CORE, steps=60).potential
    close = pairs("OH", [0.5]), pairs("OO", [0.5]), pairs("HH", [0.3])
    assert all(float(trained.evaluate(s).forces[1, 2]) > 20 for s in close)
    trained.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert isinstance(again, WithPrior) and again.prior.settings() == CORE.settings()
    assert all(again.evaluate(s).forces.equal(trained.evaluate(s).forces) for s in close)
    assert read_model(tmp_path / "model.safetensors").vocabulary == trained.vocabulary  # as `labkit md` does
    with pytest.raises(LabkitError, match="model.safetensors: was trained beside a prior, without which it is wrong"):
        NeuralPotential.load(tmp_path / "model.safetensors")


@pytest.mark.filterwarnings("ignore:.*no bonds can explain")  # that prior is of another size
def test_a_prior_of_ones_own_is_asked_for(tmp_path) -> None:
    prior, path = Pair(0.3), tmp_path / "model.safetensors"
    trained = train(untrained(FRAMES, prior=prior, **SMALL), FRAMES[:8], prior=prior, steps=5).potential
    trained.save(path)
    with pytest.raises(LabkitError, match="trained beside a Pair, which is not stored; load it with prior="):
        load(path)
    with pytest.raises(LabkitError, match="trained beside a Pair, not beside this Zbl"):
        load(path, prior=CORE)
    with pytest.raises(LabkitError, match="give the same one"):
        load(path, prior=Pair(0.4))
    state = FRAMES.state([0])
    assert load(path, prior=Pair(0.3)).evaluate(state).energy.equal(trained.evaluate(state).energy)


def test_the_prior_stays_with_the_potential() -> None:
    potential = untrained(FRAMES, prior=CORE, **SMALL)
    with pytest.raises(LabkitError, match=r"trained beside a prior \(zbl\), and no prior was given"):
        train(potential, FRAMES[:8], steps=2)
    trained = train(potential, FRAMES[:8], prior=CORE, steps=2).potential
    assert isinstance(train(trained, FRAMES[:8], steps=2).potential, WithPrior)
    plain = train(untrained(FRAMES, **SMALL), FRAMES[:8], steps=2).potential
    with pytest.raises(LabkitError, match="trained without a prior"):
        train(plain, FRAMES[:8], prior=CORE, steps=2)


def test_stopped_and_resumed_with_a_prior(tmp_path) -> None:
    settings = {"steps": 20, "batch": 4, "prior": CORE, "checkpoint": tmp_path / "training.safetensors"}
    whole = untrained(FRAMES, prior=CORE, **SMALL)
    train(whole, FRAMES[:16], **{**settings, "checkpoint": None})
    with pytest.raises(Stopped) as stopped:
        train(untrained(FRAMES, prior=CORE, **SMALL), FRAMES[:16], progress=StopAfter(9), **settings)
    part = stopped.value.partial.potential
    assert isinstance(part, WithPrior)
    train(part, FRAMES[:16], **settings)
    for name, value in weights(part.learned).items():
        assert torch.equal(value, whole.state_dict()[name]), name


def test_a_prior_without_a_finite_energy_names_the_frame() -> None:
    positions = np.array([[[0, 0, 0], [0, 0, 1.0]], [[0, 0, 0], [0, 1.0, 0]]])
    frames = Dataset.from_arrays(positions, [8, 1], energy=np.zeros(2))
    with pytest.raises(LabkitError, match="frame 1: the prior ModulePotential has no finite energy"):
        without_prior(frames, ModulePotential(lambda x: x[1, 2].log()))
