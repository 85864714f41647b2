"""Designs: rows against the model's own energies, forces and stresses; a fit against dense algebra; stop and resume."""

import threading

import numpy as np
import pandas as pd
import pytest
import torch
from ase import Atoms

from labkit.base import Progress, State, find_neighbours
from labkit.datasets import Dataset
from labkit.errors import LabkitError, Stopped
from labkit.gap import Design, Distance2b, GapConfig, Soap, errors


def test_rows_predict_what_the_model_evaluates(design: Design, valid: Dataset) -> None:
    """Two routes: rows by hand-written derivatives, the model by autograd."""
    model = design.solve(sigma_energy=0.001, sigma_force=0.05, sigma_virial=0.05)
    rows, direct = design.predictions(model, "valid"), model.evaluate(State.from_atoms(valid.atoms), stress=True)
    np.testing.assert_allclose(rows["energy"], direct.energy, atol=1e-6)
    np.testing.assert_allclose(rows["forces"], direct.forces, atol=1e-6)
    np.testing.assert_allclose(rows["stress"], direct.stress, atol=1e-8)
    table, again = design.errors(model), errors(model, valid)
    for quantity in ("energy", "forces", "stress"):
        assert table.loc[("valid", quantity), "rmse"] == pytest.approx(
            again.loc[("frames", quantity), "rmse"], rel=1e-5
        )


@pytest.mark.parametrize("zeta", [1.0, 2.0, 2.5, 4.0])
def test_rows_for_every_zeta(zeta: float, train: Dataset) -> None:
    soap = Soap(cutoff=3.0, n_max=3, l_max=2, zeta=zeta, n_sparse=60, sparse_method="fps")
    design = Design.build(train[:6], GapConfig(soap, sparse_jitter=1e-8), valid=train[6:8])
    model = design.solve()
    rows, direct = design.predictions(model), model.evaluate(State.from_atoms(train[6:8].atoms), stress=True)
    np.testing.assert_allclose(rows["forces"], direct.forces, atol=1e-6)
    np.testing.assert_allclose(rows["stress"], direct.stress, atol=1e-8)


def test_open_molecules_of_several_species() -> None:
    from ase.build import molecule
    from ase.calculators.lj import LennardJones

    rng = np.random.default_rng(0)
    frames = []
    for name in ("CH3OH", "H2O", "CO2", "CH4", "NH3", "HCN") * 2:
        atoms = molecule(name)
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
        atoms.calc = LennardJones(sigma=0.9, epsilon=0.3, rc=4.0)
        atoms.get_forces()
        frames.append(atoms)
    design = Design.build(frames[:8], GapConfig(Soap(cutoff=3.0, n_max=4, l_max=3, n_sparse=20)), valid=frames[8:10])
    model = design.solve()
    rows, direct = design.predictions(model), model.evaluate(State.from_atoms(frames[8:10]))
    np.testing.assert_allclose(rows["energy"], direct.energy, atol=1e-6)
    np.testing.assert_allclose(rows["forces"], direct.forces, atol=1e-6)
    assert "stress" not in rows


def test_fit_against_dense_gaussian_process(design: Design, train: Dataset) -> None:
    """All rows, energies per sqrt(N), virials too: the weights of the normal equations in extended precision."""
    model = design.solve(sigma_energy=0.003, sigma_force=0.1, sigma_virial=0.1)
    state = State.from_atoms(train.atoms)
    near = find_neighbours(state.system, state.positions, state.cell, design.config.cutoff)
    parts = [t.rows(state.system, state.positions, state.cell, near, True) for t in design.terms]
    x = np.concatenate(
        [
            torch.cat([getattr(p, name).reshape(-1, p.energy.shape[1]) for p in parts], 1).numpy()
            for name in ("energy", "force", "virial")
        ]
    ).astype(np.longdouble)
    e0 = np.array([sum(design.e0[s] for s in a.get_chemical_symbols()) for a in train.atoms])
    volumes = np.array([a.get_volume() for a in train.atoms])
    virials = (train.stress * volumes[:, None, None])[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    y = np.concatenate([train.energy - e0, train.forces.ravel(), virials.ravel()])
    noise = np.concatenate(
        [np.full(len(train), 0.003 * 12**0.5), np.full(train.forces.size, 0.1), np.full(virials.size, 0.1 * 12**0.5)]
    )
    fit = x @ model.weights.numpy()
    gradient = x.T @ ((fit - y) / noise**2) + (design._prior_factor.T @ (design._prior_factor @ model.weights)).numpy()
    scale = np.abs(x.T @ (y / noise**2)).max()
    assert np.abs(gradient).max() < 1e-7 * scale  # the minimum of the regularised misfit


def test_leave_one_out_against_refits(train: Dataset) -> None:
    config = GapConfig(
        Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=15), e0={"H": -155.9, "O": -155.9}, sparse_jitter=1e-8
    )
    whole = Design.build(train, config)
    model = whole.solve()
    left_out = whole.leave_one_out(model)
    for k in (0, 7):
        rest = Design(train[[i for i in range(len(train)) if i != k]], config)
        rest.terms = whole.terms  # the same sparse points
        rest._choose_points = lambda *_: None
        again = _run(rest).solve()
        direct = again.evaluate(State.from_atoms(train.atoms[k]), stress=True)
        assert left_out["energy"][k] == pytest.approx(float(direct.energy[0]), abs=1e-5)
        np.testing.assert_allclose(left_out["forces"][12 * k : 12 * k + 12], direct.forces, atol=1e-5)
        np.testing.assert_allclose(left_out["stress"][k], direct.stress[0], atol=1e-6)


def _run(design: Design) -> Design:
    for _ in design.growing():
        pass
    return design


def test_sigmas_of_single_frames(train: Dataset) -> None:
    """A frame whose noise is said to be huge counts as little as one without labels."""
    config = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=15), e0={"H": -155.9, "O": -155.9})
    doubted, unlabelled = (Dataset.from_atoms(list(train.frames())) for _ in range(2))
    doubted.info[3].update({"energy_sigma": 1e5, "force_sigma": 1e5, "virial_sigma": 1e5})
    unlabelled.energy[3], unlabelled.forces[36:48], unlabelled.stress[3] = np.nan, np.nan, np.nan
    a, b, plain = (Design.build(d, config).solve().weights for d in (doubted, unlabelled, train))
    assert float((a - b).norm()) < 1e-4 * float((a - plain).norm())


def test_evidence_prefers_the_noise_that_was_added(train: Dataset) -> None:
    """Labels made by a GAP with noise of 0.2 eV/Å: the evidence is largest near that sigma."""
    config = GapConfig(
        Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=15), sigma_virial=None, e0={"H": -155.9, "O": -155.9}
    )
    truth = Design.build(train, config).solve(sigma_force=0.5)
    result = truth.evaluate(State.from_atoms(train.atoms))
    noisy = Dataset.from_atoms(list(train.frames()))
    rng = np.random.default_rng(0)
    noisy.energy[:] = result.energy.numpy()
    noisy.forces[:] = result.forces.numpy() + rng.normal(0, 0.2, train.forces.shape)
    design = Design.build(noisy, config)
    grid = [0.05, 0.1, 0.2, 0.4, 0.8]
    evidence = [design.solve(sigma_energy=0.001, sigma_force=s).log_evidence for s in grid]
    assert grid[int(np.argmax(evidence))] == 0.2


class StopAfter(Progress):
    def __init__(self, steps: int) -> None:
        self.left = steps

    def update(self, step: int, total: int, **metrics) -> None:
        self.left -= 1

    def should_stop(self) -> bool:
        return self.left <= 0


def test_stop_keeps_a_usable_design(train: Dataset, valid: Dataset, config: GapConfig) -> None:
    many = train + valid
    with pytest.raises(Stopped) as stopped:
        Design.build(many, config, progress=StopAfter(1))
    partial = stopped.value.partial
    assert 0 < partial.n_frames < len(many)
    assert np.isfinite(partial.errors(partial.solve())["rmse"]).all()
    with pytest.raises(Stopped) as early:
        Design.build(many, config, progress=StopAfter(0))
    assert early.value.partial is None


@pytest.mark.parametrize("counts", [(40, 40), (40, 3), (8, 40), (100, 50)])
def test_growing_shows_about_a_dozen_designs(counts: tuple[int, int]) -> None:
    import labkit.datasets

    train, valid = labkit.datasets.ice("train", n=100)[: counts[0]], labkit.datasets.ice("valid")[: counts[1]]
    config = GapConfig(Soap(cutoff=2.5, n_max=1, l_max=0, n_sparse=3), sigma_virial=None)
    frames = [design.n_frames for design in Design.grow(train, config, valid=valid)]
    assert frames == sorted(frames) and frames[-1] == counts[0]
    assert len(set(frames)) >= min(5, -(-counts[0] // 8)) and len(frames) <= 14


def test_growing_ends_where_building_does(train: Dataset, valid: Dataset, config: GapConfig, design: Design) -> None:
    seen = [(d.n_frames, d.solve().weights) for d in Design.grow(train + valid, config, valid=valid)]
    assert [n for n, _ in seen] == sorted(n for n, _ in seen) and seen[0][0] < seen[-1][0] == 18
    whole = Design.build(train + valid, config, valid=valid).solve()
    grown = seen[-1][1]
    torch.testing.assert_close(grown, whole.weights, rtol=1e-3, atol=1e-3 * float(grown.abs().max()))


def test_resumed_from_a_checkpoint_bit_for_bit(tmp_path, train: Dataset, valid: Dataset, config: GapConfig) -> None:
    whole = Design.build(train, config, valid=valid, checkpoint=tmp_path / "whole").solve().weights
    with pytest.raises(Stopped):
        Design.build(train, config, valid=valid, checkpoint=tmp_path / "cut", progress=StopAfter(1))
    before = {p.name for p in (tmp_path / "cut").iterdir()}
    torn = next((tmp_path / "cut").glob("train-*.safetensors"))
    torn.write_bytes(torn.read_bytes()[:100])  # as a crash of the machine could leave it
    resumed = Design.build(train, config, valid=valid, checkpoint=tmp_path / "cut").solve().weights
    assert "points.safetensors" in before
    assert torch.equal(whole, resumed)
    (tmp_path / "cut" / "points.safetensors").write_bytes(b"torn")
    (tmp_path / "cut" / ".points.safetensors.tmp").write_bytes(b"left by a kill")
    again = Design.build(train, config, valid=valid, checkpoint=tmp_path / "cut")
    assert torch.equal(whole, again.solve().weights)
    with pytest.raises(LabkitError, match="other data or settings"):
        Design.build(train[:5], config, valid=valid, checkpoint=tmp_path / "cut")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(LabkitError, match="is not empty"):
        Design.build(train, config, checkpoint=tmp_path / "mine")


def test_clipped_sparse_points_are_told(train: Dataset) -> None:
    design = Design.build(train[:2], GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=10)))
    assert any("clipped from 10 to 8 for O" in note for note in design.notes)


def test_bad_input_in_words(train: Dataset) -> None:
    config = GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=5))
    with pytest.raises(LabkitError, match="training set is empty"):
        Design.build([], config)
    with pytest.raises(LabkitError, match="none of the 1 frames has an energy"):
        Design.build([Atoms("H2", [[0, 0, 0], [0.7, 0, 0]])], config)
    blank = Dataset.from_atoms(list(train[:2].frames()))
    blank.energy[:], blank.forces[:] = np.nan, np.nan
    with pytest.raises(LabkitError, match="none of 2 training frames has an energy or forces"):
        Design.build(blank, config)
    with pytest.raises(LabkitError, match="'uniform'.*only gap_fit has; labkit's own fit has"):
        Design.build(train, GapConfig(Soap(n_sparse=5, sparse_method="uniform")))
    model = Design.build(train[:4], config).solve()
    alien = train.atoms[0].copy()
    alien.numbers[5] = 17
    with pytest.raises(LabkitError, match="atom 5: Cl is unknown.*H, O"):
        model.evaluate(State.from_atoms(alien))
    alien.info["energy"] = 0.0
    frames = Dataset.from_atoms([*train[:3].frames(), alien])
    with pytest.raises(LabkitError, match="frame 3, atom 5: Cl is unknown.*H, O"):
        errors(model, frames)
    with pytest.raises(LabkitError, match="frame 3, atom 5: Cl is unknown.*H, O"):
        Design.build(train, config, valid=frames)


def test_pair_term_alone_learns_a_pair_potential() -> None:
    from ase.build import bulk
    from ase.calculators.morse import MorsePotential

    rng = np.random.default_rng(1)
    frames = []
    for _ in range(14):
        atoms = bulk("Cu", cubic=True) * (2, 1, 1)
        atoms.set_cell(atoms.cell.array * (1 + rng.normal(0, 0.03, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        atoms.calc = MorsePotential(epsilon=0.4, r0=2.5, rho0=4.0, rcut1=1.1, rcut2=1.36)
        atoms.get_forces(), atoms.get_stress()
        frames.append(atoms)
    config = GapConfig(Distance2b(cutoff=3.6, cutoff_transition_width=0.5, theta_uniform=0.3, n_sparse=30))
    design = Design.build(frames[:10], config, valid=frames[10:])
    table = design.errors(design.solve(sigma_energy=1e-4, sigma_force=1e-3, sigma_virial=1e-3))
    spread = np.concatenate([a.get_forces() for a in frames]).std() * 1e3
    assert table.loc[("valid", "forces"), "rmse"] < 0.05 * spread


def test_theta_from_the_range_of_distances(train: Dataset, valid: Dataset, tmp_path) -> None:
    from labkit.gap import GapModel

    config = GapConfig(Distance2b(cutoff=3.0, theta_uniform=None, n_sparse=8), sparse_jitter=1e-6)
    design = Design.build(train, config, valid=valid)
    term = design.terms[0]
    shortest = {pair: float(term.points(pair)[0]) for pair in term.pairs}
    for pair, theta in zip(term.pairs, term.theta.tolist(), strict=True):
        assert 0 < theta <= 3.0 - shortest[pair]
    model = design.solve()
    model.save(tmp_path / "pair.safetensors")
    state = State.from_atoms(valid.atoms)
    back = GapModel.load(tmp_path / "pair.safetensors").evaluate(state)
    assert torch.equal(back.energy, model.evaluate(state).energy)
    np.testing.assert_allclose(design.predictions(model)["forces"], back.forces, atol=1e-6)


def test_one_soap_for_each_centre(train: Dataset, valid: Dataset) -> None:
    """Two terms of one centre each are the same model as one term of both."""
    settings = dict(cutoff=3.0, n_max=3, l_max=2, n_sparse=15, sparse_method="fps")
    both = Design.build(train, GapConfig(Soap(**settings), sparse_jitter=1e-8), valid=valid)
    each = [Soap(**settings, centre=z, species=(1, 8)) for z in (1, 8)]
    apart = Design.build(train, GapConfig(tuple(each), sparse_jitter=1e-8), valid=valid)
    a, b = (d.predictions(d.solve())["forces"] for d in (both, apart))
    np.testing.assert_allclose(a, b, atol=1e-5)
    with pytest.raises(LabkitError, match="Z=8 lists the species .8., but the frames contain H"):
        Design.build(train, GapConfig(Soap(**settings, centre=8, species=(8,))))


def test_notes_survive_an_interruption(train: Dataset, tmp_path) -> None:
    config = GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=1000))
    first, second = (Design.build(train, config, checkpoint=tmp_path / "rows").notes for _ in range(2))
    assert first == second and any("clipped" in note for note in first)


def test_solving_while_another_thread_builds(train: Dataset, valid: Dataset, config: GapConfig) -> None:
    design, done = None, threading.Event()

    def solve_on() -> None:
        while not done.is_set():
            if design is not None:
                design.errors(design.solve())

    other = threading.Thread(target=solve_on)
    other.start()
    try:
        for grown in Design.grow(train + valid, config, valid=valid):
            design = grown
    finally:
        done.set()
        other.join()
    alone = Design.build(train + valid, config, valid=valid)
    pd.testing.assert_frame_equal(design.errors(design.solve()), alone.errors(alone.solve()), rtol=1e-3)


def test_sigma_of_a_frame_is_that_of_its_sum(train: Dataset) -> None:
    """As in gap_fit: energy_sigma of a frame is absolute, sigma_energy is per sqrt(atom)."""
    config = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=15), sigma_energy=0.01, sparse_jitter=1e-8)
    own = Dataset.from_atoms(list(train.frames()))
    for info in own.info:
        info["energy_sigma"] = 0.01 * 12**0.5
    a, b = (Design.build(d, config).solve().weights for d in (own, train))
    torch.testing.assert_close(a, b)
    for bad in (0, -1.0, "low"):
        own.info[5]["energy_sigma"] = bad
        with pytest.raises(LabkitError, match="frame 5: energy_sigma is"):
            Design.build(own, config)


def test_open_and_periodic_frames_together(train: Dataset) -> None:
    """Stresses count where the frame is periodic, and only there."""
    frames = list(train.frames())
    lone = frames[2].copy()
    lone.pbc = False
    lone.info["energy"] = -1870.0
    mixed = Dataset.from_atoms([*frames[:2], lone, *frames[3:5]])
    design = Design.build(
        mixed, GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=15), sparse_jitter=1e-8), valid=mixed
    )
    model = design.solve()
    a, b = design.errors(model).loc["valid"], errors(model, mixed).loc["frames"]
    assert a.loc["stress", "count"] == b.loc["stress", "count"] == 4 * 9
    np.testing.assert_allclose(a["rmse"], b["rmse"], rtol=1e-5)


def test_copies_of_environments_are_left_out() -> None:
    from ase.build import bulk
    from ase.calculators.emt import EMT

    frames = []
    for strain in (0.97, 0.99, 1.0, 1.02):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell.array * strain, scale_atoms=True)
        atoms.calc = EMT()
        atoms.get_forces(), atoms.get_stress()
        frames.append(atoms)
    design = Design.build(frames, GapConfig(Soap(n_max=4, l_max=3, n_sparse=4)), valid=frames)
    assert any("12 of 16 environments of Cu are duplicates" in note for note in design.notes)
    assert design.columns == 4


def test_hard_cutoff_and_empty_environments() -> None:
    from ase.calculators.lj import LennardJones

    frames = []
    for distance in (1.0, 1.1, 1.25, 1.4):
        atoms = Atoms("H2", [[0, 0, 0], [0, 0, distance]])
        atoms.calc = LennardJones(sigma=1.0, rc=5.0)
        atoms.get_forces()
        frames.append(atoms)
    config = GapConfig(Soap(cutoff=2.0, cutoff_transition_width=0.0, n_max=3, l_max=2, n_sparse=5))
    design = Design.build(frames, config, valid=frames)
    model = design.solve()
    np.testing.assert_allclose(
        design.predictions(model)["forces"], model.evaluate(State.from_atoms(frames)).forces, atol=1e-6
    )
    far = Atoms("H2", [[0, 0, 0], [0, 0, 9.0]])
    far.info["energy"] = 0.0
    with pytest.raises(LabkitError, match="not positive definite.*central_weight"):
        Design.build([far], GapConfig(Soap(cutoff=2.0, n_max=3, l_max=2, central_weight=0.0)))


def test_sets_and_sigmas_that_cannot_be(train: Dataset) -> None:
    config = GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=5), sigma_force=None)
    with pytest.raises(LabkitError, match="built without forces"):
        Design.build(train, config).solve(sigma_force=0.1)
    with pytest.raises(LabkitError, match="no rows yet"):
        Design(train, config).solve()
