"""Bonded terms where geometries are special: finite where physics is, refused with the atoms' names elsewhere.

Compiled kernels and autograd are asked for the same: energies, forces, or the same sentence.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labkit.base import State, System
from labkit.errors import LabkitError
from labkit.forcefield import (
    Cmap,
    Contacts,
    ForceField,
    HarmonicAngles,
    HarmonicBonds,
    HarmonicImpropers,
    Pairs14,
    RyckaertBellemans,
    Torsions,
)
from labkit.forcefield.fast.uncompiled import Uncompiled

ROW = [[0, 1, 2, 3]]
TERMS = {
    "bond": HarmonicBonds([[0, 1]], 20.0, 1.3),
    "spring": HarmonicBonds([[0, 1]], 20.0, 0.0),
    "angle": HarmonicAngles([[0, 1, 2]], 3.0, 1.9),
    "linear": HarmonicAngles([[0, 1, 2]], 3.0, np.pi),
    "contact": Contacts([[0, 3]], 1.0, 0.0),
    "pair": Pairs14([[0, 3]], 0.1, 1.2, 0.01),
    "charges": Pairs14([[0, 3]], 0.1, 0.0, 0.0),
    "series": Torsions(ROW * 2, n=[3, 1], phase=[0.4, 0.0], k=[0.1, 0.2]),
    "cosine": Torsions(ROW, n=13, phase=0.4, k=0.1),
    "rb": RyckaertBellemans(ROW, [[0.1, 0.2, -0.1, 0.3, 0.05, 0.02]]),
    "improper": HarmonicImpropers(ROW, 1.5, 3.0),
    "no_bond": HarmonicBonds([[0, 1]], 0.0, 1.3),
    "no_angle": HarmonicAngles([[0, 1, 2]], 0.0, 1.9),
    "no_contact": Contacts([[0, 3]], 0.0, 0.0),
    "no_pair": Pairs14([[0, 3]], 0.0, 1.2, 0.0),
    "no_series": Torsions(ROW, n=3, phase=0.4, k=0.0),
    "constant": Torsions(ROW, n=0, phase=0.4, k=0.3),
    "no_cosine": Torsions(ROW, n=2.5, phase=0.4, k=0.0),
    "constant_rb": RyckaertBellemans(ROW, [[0.1, 0, 0, 0, 0, 0]]),
    "no_improper": HarmonicImpropers(ROW, 0.0, 3.0),
}
ALWAYS = [name for name in TERMS if name.startswith(("no_", "constant"))]


def state(positions: np.ndarray) -> State:
    """Systems of four atoms, (S, 4, 3)."""
    count = len(positions)
    index = torch.repeat_interleave(torch.arange(count), 4)
    where = torch.from_numpy(np.ascontiguousarray(positions.reshape(-1, 3)))
    masses, pbc = torch.full((4 * count,), 12.0, dtype=torch.float64), torch.zeros(count, 3, dtype=torch.bool)
    system = System(torch.full((4 * count,), 6), masses, index, pbc)
    return State(system, where, torch.zeros(count, 3, 3, dtype=torch.float64), torch.zeros_like(where))


def said(term, where: State):
    """What kernels and autograd say: (energies, forces) or a sentence."""
    forcefield, answers = ForceField({"it": term}, 4).repeat(where.system.n_systems), []
    for potential in (forcefield, Uncompiled(forcefield)):
        try:
            found = potential.evaluate(where)
            answers.append((found.energy.numpy(), found.forces.numpy().reshape(-1, 4, 3)))
        except LabkitError as error:
            answers.append(str(error))
    return answers


def special(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (S, 4, 3), and the smallest sin of an angle or ratio of distances that they have, (S,).

    Chains of random angles, nearly straight or folded back, planar, and with two atoms close together; turned any way.
    """
    found, sharpness = np.empty((count, 4, 3)), np.ones(count)
    for s in range(count):
        lengths, bends, kind = random.uniform(0.8, 2.0, 3), random.uniform(0.3, 2.8, 2), s % 5
        twist = random.uniform(-np.pi, np.pi)
        if kind == 1:
            small = 10.0 ** random.uniform(-7, -1)
            bends[random.integers(2)] = random.choice([small, np.pi - small])
            sharpness[s] = small
        elif kind == 2:
            twist = random.choice([0.0, np.pi])
        elif kind == 3:
            lengths[random.integers(3)] = small = 10.0 ** random.uniform(-5, -1)
            sharpness[s] = small
        x = np.zeros((4, 3))
        x[1] = [lengths[0], 0, 0]
        x[2] = x[1] + lengths[1] * np.array([np.cos(bends[0]), np.sin(bends[0]), 0])
        along = (x[2] - x[1]) / lengths[1]
        across = np.array([-along[1], along[0], 0])
        aside = np.cos(twist) * across + np.sin(twist) * np.array([0, 0, 1])
        x[3] = x[2] + lengths[2] * (np.cos(bends[1]) * along + np.sin(bends[1]) * aside)
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0] if kind != 4 else np.eye(3)
        found[s] = x @ turn + (random.normal(size=3) if kind else 0.0)
    return found, sharpness


@pytest.mark.parametrize("name", TERMS)
def test_kernels_and_autograd_agree_on_a_thousand_geometries(name) -> None:
    positions, sharpness = special(np.random.default_rng(3), 1000)
    (energy, forces), (other, others) = said(TERMS[name], state(positions))
    # what rounding of a cross product leaves of an angle, and of forces that are as large as it is sharp
    error = 1e-13 / sharpness
    assert np.isfinite(forces).all()
    assert np.all(np.abs(energy - other) <= error * (1 + np.abs(energy)))
    scale = 1 + np.abs(others).max((1, 2))
    assert np.all(np.abs(forces - others).max((1, 2)) <= 10 * error * scale)


def places() -> dict[str, np.ndarray]:
    """Exactly degenerate geometries, along an axis and not."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    bent = np.array([[1.5, 1.0, 0], [1.46, 0, 0], [0, 0, 0], [-0.5, 1.1, 0.4]])
    plain = {
        "straight": np.array([[1.1, 0, 0], [0, 0, 0], [-1.3, 0, 0], [-2.5, 0, 0]]),
        "folded": np.array([[1.1, 0, 0], [0, 0, 0], [1.3, 0, 0], [0.7, 0.3, 0]]),
        "nitrile": np.array([[1.5, 1.0, 0], [1.46, 0, 0], [0, 0, 0], [-1.16, 0, 0]]),
    }
    for i, j in ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3)):
        plain[f"{i}{j}"] = bent.copy()
        plain[f"{i}{j}"][j] = bent[i]
    return {**plain, **{f"turned_{key}": x @ turn + 0.37 for key, x in plain.items()}}


REFUSED = {
    "bond": ["01"],
    "angle": ["01", "12"],
    "linear": ["01", "12"],
    "contact": ["03"],
    "pair": ["03"],
    "charges": ["03"],
    **dict.fromkeys(("series", "cosine", "rb", "improper"), ["straight", "folded", "nitrile", "01", "12", "02", "13"]),
}


@pytest.mark.parametrize("where", places())
def test_what_is_refused_and_what_is_finite(where) -> None:
    """By kernels and autograd with the same words; a system among good ones, in which atoms are counted."""
    good = special(np.random.default_rng(0), 10)[0][::5]
    here = state(np.stack([good[0], places()[where], good[1]]))
    for name, term in TERMS.items():
        compiled, autograd = said(term, here)
        if where.removeprefix("turned_") in REFUSED.get(name, []):
            assert compiled == autograd and isinstance(compiled, str), name
            assert compiled.startswith("frame 1: ") and "atoms" in compiled
        else:
            np.testing.assert_allclose(compiled[0], autograd[0], rtol=1e-10, atol=1e-12, err_msg=name)
            np.testing.assert_allclose(compiled[1], autograd[1], rtol=1e-9, atol=1e-9, err_msg=name)
            assert name not in ALWAYS or np.all(compiled[1] == 0.0)


def test_straight_angles_have_no_force() -> None:
    (energy, forces), _ = said(TERMS["angle"], state(places()["turned_straight"][None]))
    assert energy[0] == pytest.approx(1.5 * (np.pi - 1.9) ** 2) and not forces.any()


def test_maps_of_torsions_in_a_line() -> None:
    rows = [[0, 1, 2, 3, 3, 2, 1, 0]]
    curved, flat = np.random.default_rng(0).normal(size=(1, 12, 12)), np.full((1, 12, 12), 0.2)
    straight = state(places()["nitrile"][None])
    for answer in said(Cmap(rows, [0], curved), straight):
        assert answer.startswith("frame 0: Cmap of the atoms 0, 1, 2, 3, 3, 2, 1, 0 has no energy there: three of them")
    for energy, forces in said(Cmap(rows, [0], flat), straight):
        assert energy[0] == pytest.approx(0.2) and not forces.any()


def test_parameters_keep_their_gradients_beside_a_line() -> None:
    term = Torsions(ROW * 2, n=[3, 1], phase=0.0, k=[0.0, 0.0])
    term.k.requires_grad_()
    energy = ForceField({"it": term}, 4).evaluate(state(places()["nitrile"][None]), create_graph=True).energy
    assert bool(torch.isfinite(torch.autograd.grad(energy.sum(), term.k)[0]).all())
