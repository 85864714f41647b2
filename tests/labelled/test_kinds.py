"""Kinds of faults, and of right sets, drawn at random: crystals of EMT's metals in boxes of several shapes."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from labelled.frames import labelled, rattled
from labelled.planted import rewritten

from labkit.datasets import Dataset
from labkit.datasets.audit import audit
from labkit.datasets.audit.label_units import ENERGIES
from labkit.datasets.audit.stress_units import ORDERS, UNITS

FEW = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
METALS = st.tuples(
    st.sampled_from(["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"]), st.floats(0.02, 0.12),
    st.sampled_from([0.0, 0.01, 0.03]), st.integers(20, 40), st.integers(0, 999),
)  # fmt: skip


def crystals(metal: str, size: float, strain: float, count: int, seed: int) -> Dataset:
    """Frames of one metal in two boxes, rattled by `size` [Å] and strained."""
    start = bulk(metal, cubic=True)
    frames = [*rattled(start, count, size, seed, strain), *rattled(start * (1, 1, 2), count, size, seed + 1, strain)]
    return labelled(frames, EMT())


@FEW
@given(METALS)
def test_right_sets_have_notes_only(metal):
    dataset = crystals(*metal)
    report = audit(dataset)
    assert [f for f in report.findings if f.severity != "note"] == [], str(report)
    for topic in ("units", "stress"):
        (found,) = report.about(topic)
        assert abs(found.value - 1) < 4 * found.error < 2


@FEW
@given(METALS, st.sampled_from(list(ENERGIES)[1:]))
def test_energies_in_another_unit_are_named(metal, unit):
    dataset = crystals(*metal)
    (found,) = audit(replace(dataset, energy=dataset.energy / ENERGIES[unit])).problems
    assert f"energies in {unit} and forces in eV/Å" in found.text
    assert found.value == pytest.approx(1 / ENERGIES[unit], abs=4 * found.error)


@FEW
@example(("Al", 0.0625, 0.0, 20, 0), "eV/Å^3", 1, list(ORDERS)[1])  # little shear beside the pressure
@given(METALS, st.sampled_from(list(UNITS)), st.sampled_from([1, -1]), st.sampled_from(list(ORDERS)))
def test_stresses_of_any_unit_sign_and_order_are_named(metal, unit, sign, order):
    dataset = crystals(*metal)
    faulty = rewritten(sign / UNITS[unit], order=ORDERS[order])(dataset)
    problems = audit(faulty).problems
    if (unit, sign, order) == ("eV/Å^3", 1, next(iter(ORDERS))):
        assert not problems
        return
    (found,) = problems
    assert found.topic == "stress"
    assert unit == "eV/Å^3" or unit in found.text
    assert ("opposite sign" in found.text) == (sign < 0)
    assert order == next(iter(ORDERS)) or order in found.text


@FEW
@given(METALS, st.integers(0, 999))
def test_any_order_of_atoms_is_found_and_repaired(metal, seed):
    dataset = crystals(*metal)
    rng = np.random.default_rng(seed)
    orders = {n: rng.permutation(n) for n in np.unique(dataset.counts).tolist()}
    rows = np.concatenate([a + orders[n] for a, n in zip(dataset.offsets, dataset.counts.tolist())])
    report = audit(replace(dataset, forces=dataset.forces[rows]))
    changed = any((order != np.arange(n)).any() for n, order in orders.items())
    assert [f.topic for f in report.problems] == ["order of atoms"] * changed, str(report)
    if changed:
        assert np.array_equal(report.repaired().forces, dataset.forces)
