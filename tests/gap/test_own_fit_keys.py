"""Every key of gap_fit is followed by labkit's own fit, without effect on it, told in a note, or refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from labkit.base import State
from labkit.datasets import Dataset, DatasetWarning
from labkit.errors import LabkitError
from labkit.gap import Design, Distance2b, GapConfig, Soap, errors, quip
from labkit.gap.configtext import _HARMLESS, _HONOURED, _NOTED, check_own_fit
from labkit.gap.keys import DISTANCE_2B_KEYS, FIT_KEYS, SOAP_KEYS

SMALL = Soap(cutoff=3.2, n_max=2, l_max=1, n_sparse=12, atom_sigma=0.5)


def copper(k: int, pbc=True, shape=(1, 1, 1)) -> Atoms:
    atoms = bulk("Cu", cubic=True) * shape
    atoms.rattle(0.08, seed=k)
    atoms.pbc = pbc
    other = atoms.copy()
    other.calc = EMT()
    atoms.info = {"energy": other.get_potential_energy(), "stress": other.get_stress(voigt=False)}
    atoms.arrays["forces"] = other.get_forces()
    return atoms


@pytest.fixture(scope="module")
def frames() -> Dataset:
    return Dataset.from_atoms([copper(k) for k in range(8)])


def odd_values() -> list[tuple[str, str, str]]:
    found = []
    for where, known, owner in (
        ("", FIT_KEYS, GapConfig),
        ("soap", SOAP_KEYS, Soap),
        ("distance_2b", DISTANCE_2B_KEYS, Distance2b),
    ):
        own = set(owner.__dataclass_fields__) | set(owner.gap_fit_names)
        found += [(where, key, {"T": "F", "F": "T"}.get(usual, "7")) for key, usual in known.items() if key not in own]
    return found


@pytest.mark.parametrize(("where", "key", "value"), odd_values())
def test_no_key_is_dropped_without_a_word(where, key, value):
    value = {"config_type_sigma": "a:1:1:1:1", "config_type_n_sparse": "a:1"}.get(key, value)
    if where:
        term = (Soap if where == "soap" else Distance2b)(other={key: value})
        config = GapConfig(term)
    else:
        config = GapConfig(other={key: value})
    followed = key in _HONOURED | _HARMLESS
    told = any(f"{key}=" in text for text in config.ignored)
    assert followed or told
    if key in _HONOURED | _HARMLESS | _NOTED:
        check_own_fit(config)
    else:
        with pytest.raises(LabkitError, match=f"{key}={value} changes what gap_fit fits.* or use labkit.gap.quip.fit"):
            check_own_fit(config)


@pytest.mark.parametrize(
    "text", ["cutoff_rate=1.0d0", "basis_error_exponent={ 10 }", "average=.FALSE.", "coupling={T}"]
)
def test_defaults_in_any_spelling_of_fortran_are_defaults(text):
    key, _, value = text.partition("=")
    config = GapConfig(Soap(other={key: value}))
    check_own_fit(config)
    assert not config.ignored


def test_a_core_potential_is_for_gap_fit(frames, tmp_path, monkeypatch):
    """Its file is found from where one is, though gap_fit runs elsewhere; the own fit refuses it."""
    pytest.importorskip("quippy")
    (tmp_path / "core.xml").write_text(
        '<LJ_params n_types="1" label="x"><per_type_data type="1" atomic_num="29"/><per_pair_data type1="1" type2="1" '
        'sigma="1.5" eps6="0.1" eps12="0.1" cutoff="4.0" energy_shift="T" linear_force_shift="T"/></LJ_params>'
    )
    monkeypatch.chdir(tmp_path)
    config = GapConfig(SMALL, e0=0.0, other={"core_param_file": "core.xml", "core_ip_args": "IP LJ"})
    with pytest.raises(LabkitError, match="core_ip_args=IP LJ changes what gap_fit fits"):
        Design.build(frames, config)
    model = quip.fit(frames, config, "out")
    assert "LJ_params" in model.path.read_text() and not list((tmp_path / "out").glob(".gap_fit-*"))
    squeezed = frames.atoms[0].copy()
    squeezed.set_distance(0, 1, 0.9, fix=0)  # where the core is felt, and no training frame was
    plain = quip.fit(frames, GapConfig(SMALL, e0=0.0), "plain")
    with_core, without = (float(m.evaluate(State.from_atoms(squeezed)).energy) for m in (model, plain))
    assert with_core > without + 0.5
    with pytest.raises(LabkitError, match="core_param_file=other.xml: no such file, seen from"):
        quip.fit(frames, config.replace(other={"core_param_file": "other.xml", "core_ip_args": "IP LJ"}), "new")


def test_e0_of_another_reference_is_said(frames):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DatasetWarning)
        assert not any("e0" in note for note in Design(frames, GapConfig(SMALL, e0={"Cu": 3.5})).notes)
        Design(frames, GapConfig(SMALL))
    with pytest.warns(DatasetWarning, match="e0 leaves .* eV per atom on average, which no bonds can explain"):
        notes = Design(frames, GapConfig(SMALL, e0={"Cu": -45000.0})).notes
    assert any("other pseudopotentials" in note for note in notes)


def test_one_e0_for_all_species_is_kept_in_every_form(frames):
    config = GapConfig(SMALL, e0=-0.25)
    assert config.e0 == -0.25 and GapConfig.from_dict(config.to_dict()) == config == GapConfig.parse(config.text())
    assert Design(frames, config).e0 == {"Cu": -0.25}
    with pytest.raises(LabkitError, match="e0 of all atoms is nan"):
        GapConfig(e0=float("nan"))


def test_points_of_kinds_come_from_their_frames():
    loose = [copper(k) for k in range(6)]
    dense = []
    for k in range(6):
        atoms = copper(50 + k)
        atoms.set_cell(atoms.cell * 0.9, scale_atoms=True)
        dense.append(atoms)
    for atoms, kind in zip([*loose, *dense], 6 * ["loose"] + 6 * ["dense"]):
        atoms.info["phase"] = kind
    both, keys = Dataset.from_atoms([*loose, *dense]), {"config_type_parameter_name": "phase"}
    plain = {"cutoff": 3.2, "n_max": 2, "l_max": 1, "atom_sigma": 0.5}
    soap = Soap(**plain, other={"config_type_n_sparse": "{dense:7}"})
    some = Design.build(both, GapConfig(soap, other=keys))
    assert some.columns == soap.n_sparse == 7
    only = Design.build(Dataset.from_atoms(dense), GapConfig(Soap(**plain, n_sparse=7)))
    np.testing.assert_allclose(some.terms[0].points(29), only.terms[0].points(29), atol=1e-12)
    mixed = Soap(**plain, other={"config_type_n_sparse": "dense:4:default:3:gas:9"})
    design = Design.build(both, GapConfig(mixed, other=keys))
    assert design.columns == 7 and any("clipped from 16 to 7 for Cu" in note for note in design.notes)


def test_data_that_only_gap_fit_can_fit_is_refused(frames):
    config = GapConfig(SMALL)
    for change, word in ((lambda a: a.set_array("local_property", np.ones(4)), "local_property"),):
        changed = [atoms.copy() for atoms in frames.frames()]
        for atoms, whole in zip(changed, frames.frames()):
            atoms.calc = whole.calc
        change(changed[3])
        with pytest.raises(LabkitError, match=f"frame 3: has {word}, which gap_fit would fit"):
            Design.build(Dataset.from_atoms(changed), config)
    hessian = Dataset.from_atoms(list(frames.frames()))
    hessian.info[5]["n_hessian"] = 2
    with pytest.raises(LabkitError, match="frame 5: has n_hessian"):
        Design.build(hessian, config)


@pytest.mark.parametrize("pbc", [(True, True, False), (True, False, False), (True, True, True)])
def test_stresses_of_slabs_are_fitted(pbc):
    """With three lattice vectors a slab has a stress; it was dropped once."""
    slabs = []
    for k in range(8):
        atoms = bulk("Cu", cubic=True)
        atoms.cell[2, 2] *= 2.0
        atoms.rattle(0.08, seed=k)
        atoms.set_cell(atoms.cell * (0.98 + 0.005 * k), scale_atoms=True)
        atoms.pbc = pbc
        slabs.append(atoms)
    pair = Distance2b(cutoff=3.5, n_sparse=15, theta_uniform=0.8)
    states = [State.from_atoms(atoms) for atoms in slabs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Dataset.from_atoms([_with_labels(a, energy=0.1 * k) for k, a in enumerate(slabs)])
        teacher = Design.build(made, GapConfig(pair, sigma_force=None, sigma_virial=None, e0=0.0)).solve()
    labelled = []
    for atoms, state in zip(slabs, states):
        found = teacher.evaluate(state, stress=True)
        labelled.append(_with_labels(atoms, energy=float(found.energy), stress=found.stress[0].numpy()))
        labelled[-1].arrays["forces"] = found.forces.numpy()
    data = Dataset.from_atoms(labelled)
    design = Design.build(data, GapConfig(pair, e0=0.0))
    table = design.errors(design.solve(sigma_energy=1e-4, sigma_force=1e-3, sigma_virial=1e-4))
    assert table.loc[("train", "stress"), "count"] == 72 and table.loc[("train", "stress"), "rmse"] < 0.05
    same = errors(design.solve(sigma_energy=1e-4, sigma_force=1e-3, sigma_virial=1e-4), data)
    assert same.loc[("frames", "stress"), "rmse"] == pytest.approx(table.loc[("train", "stress"), "rmse"], rel=1e-6)


def _with_labels(atoms: Atoms, **labels) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=labels)


def test_stresses_of_open_frames_are_named(frames):
    open_ = Dataset.from_atoms([copper(k, pbc=k != 2) for k in range(4)])
    notes = Design(open_, GapConfig(SMALL)).notes
    assert any("frame 2: open" in note and "not fitted" in note for note in notes)
    assert np.isfinite(open_.stress[2]).all() and np.isnan(Design(open_, GapConfig(SMALL)).train.stress[2]).all()
