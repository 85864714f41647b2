"""MLMOD's types in both hosts: what each does, against closed forms, and the same in LAMMPS as in the engine."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy import stats

from labkit.base import Potential, State
from labkit.engine import VelocityVerlet, simulate
from labkit.errors import LabkitError
from labkit.lammps import Host, Units, lammps
from labkit.lammps.mlmod import KINDS, Parameters, load, read_quantity
from labkit.lammps.mlmod.mobility import ExportedPairMobility, factor
from labkit.lammps.mlmod.models import ExportedModel
from labkit.mobility import Brownian, RotnePragerYamakawa
from tests.lammps import exported
from tests.lammps.exported import parameters

POST = {"base_name": "test", "mask_fix": "POST_FORCE", "mask_input": "X"}
WARM = {"delta": 1e-2, "KBT": 0.1, "flag_stochastic": 1, "flag_thm_drift": 1}
PLACES = [[1.0, 0.5, 0.4], [3.2, 1.1, -0.3], [0.3, 3.4, 1.9], [4.5, 4.0, 0.2]]


def beads(units="real", temperature=200, more="variable spring atom -0.3*x\nfix pull all addforce v_spring 0.1 0.2"):
    """Four beads in an open box, of two types, and the same as a state for the engine."""
    lines = [f"create_atoms {1 + k % 2} single {x} {y} {z}" for k, (x, y, z) in enumerate(PLACES)]
    lmp = lammps(
        f"units {units}\nboundary f f f\natom_modify map yes\nregion box block -50 50 -50 50 -50 50\n"
        + "create_box 2 box\n"
        + "\n".join(lines)
        + "\nmass * 40.0\npair_style zero 5.0\npair_coeff * *\ntimestep 0.5\ngroup odd id 1 3\n"
        + f"velocity all create {temperature} 4 loop geom\n{more}"
    )
    return lmp


class Field(Potential):
    """E = 0.15 x² - 0.1 y - 0.2 z, kcal/mol."""

    cutoff = 0.0

    def energy(self, system, positions, cell, neighbours):
        x, y, z = positions.unbind(1)
        return system.sum_over_atoms(0.15 * x * x - 0.1 * y - 0.2 * z) * Units.of("real").energy


def both(path, steps=20):
    """End positions and velocities in LAMMPS and in the engine of what a file describes."""
    lmp = beads()
    with Host(lmp) as host:
        start = host.state().replace(seed=3)
        hook = load(path, units="real", timestep=host.dt)
        if isinstance(hook, Potential):
            lmp.command("fix nve all nve")
            host.mlmod(path)
            host.run(steps)
            end = simulate(start, hook.on(Field()), VelocityVerlet(), steps, host.dt)
        else:
            host.mlmod(path, seed=3)
            host.run(steps)
            end = simulate(start, Field(), hook, steps, host.dt)
        ours = host.state()
    assert float((end.positions - start.positions).abs().max()) > 1e-3
    # float32 inside the models; LAMMPS's constants for real units differ from ASE's in the eighth digit
    assert float((ours.positions - end.positions).abs().max()) < 2e-5
    assert float((ours.velocities - end.velocities).abs().max()) < 2e-6
    return start, end


FILES = {
    "dX_MF": {"eta": 0.05, "a": 1.0, "epsilon": 0.001},
    "dX_MF_ML1": {"M_ii_filename": exported.OwnBlock(0.5, 0.1), "M_ij_filename": exported.PairBlock(0.3)},
    "dX_MF_Q1_ML1_Pair": {
        "M_ii_filename": exported.OwnBlock(0.5, 0.1), "M_ij_filename": exported.PairBlock(0.2), **WARM
    },
    "dX_MF_Q1_ML1_N2N": {"M_filename": exported.Wall(0.5, 0.1, 0.02), **WARM},
    "F_ML1": {**POST, "F_filename": exported.Times(-0.2)},
    "F_X_ML1": {**POST, "mask_input": "F X", "F_filename": exported.Times(-0.2, 1, 4)},
    "F_X_ML1 of type and time": {**POST, "mask_input": "X Type Time", "F_filename": exported.Times(0.05, 2, 5)},
    "F_Pair_ML1": {**POST, "F_filename": exported.Spring(0.1)},
    "Dyn_ML1": {
        "base_name": "test", "mask_fix": "FINAL_INTEGRATE INITIAL_INTEGRATE", "mask_input": "V X",
        "dyn1_filename": exported.Flow(0.5, 0.0), "dyn2_filename": exported.Flow(0.0, 0.001),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_every_type_is_the_same_in_lammps_and_in_the_engine(kind, tmp_path):
    both(parameters(tmp_path, kind.split()[0], **FILES[kind]))


def quick():
    """The beads in reduced units, which have no constants that could differ, held by springs to the origin."""
    springs = "\n".join(f"variable pull{a} atom -0.3*{a}" for a in "xyz")
    return beads("lj", 20.0, f"{springs}\nfix pull all addforce v_pullx v_pully v_pullz\ntimestep 0.002")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow if "Q1" in kind else ()) for kind in FILES])
def test_a_thousand_steps_are_the_same_in_both(kind, tmp_path):
    """To 1e-8: though the models compute in float32, both hosts give them the same numbers, but for a rounding of a
    float64 that now and then falls on another float32."""
    path, units = parameters(tmp_path, kind.split()[0], **FILES[kind]), Units.lj(1.0, 1.0)
    lmp = quick()
    with Host(lmp, units=units) as host:
        start = host.state().replace(seed=3)
        hook = load(path, units=units, timestep=host.dt)
        moved = isinstance(hook, Potential)
        if moved:
            lmp.command("fix nve all nve")
        host.mlmod(path, **({} if moved else {"seed": 3}))
        host.run(1000)
        ours = host.state()
        potential, integrator = (hook.on(Springs()), VelocityVerlet()) if moved else (Springs(), hook)
        end = simulate(start, potential, integrator, 1000, host.dt)
    assert float((end.positions - start.positions).abs().max()) > 0.1
    assert float((ours.positions - end.positions).abs().max()) < 1e-8
    assert float((ours.velocities - end.velocities).abs().max()) < 1e-8


class Springs(Potential):
    """E = 0.15 r², eV."""

    cutoff = 0.0

    def energy(self, system, positions, cell, neighbours):
        return system.sum_over_atoms(0.15 * positions.square().sum(1))


def test_the_time_in_the_middle_of_a_step(tmp_path):
    """A midpoint scheme asks twice a step, in LAMMPS in two of its steps: the time of the second is half a step on."""
    path = parameters(tmp_path, "F_X_ML1", **{**POST, "mask_input": "X Time", "F_filename": exported.Times(0.2, 1, 4)})
    walk, lmp = Brownian(RotnePragerYamakawa(1.0, 0.1), 100.0), beads()
    with Host(lmp) as host:
        start = host.state().replace(seed=3)
        host.mlmod(path)
        host.integrator(walk, seed=3)
        host.run(4)
        host.run(6)
        ours = host.state()
    forces = load(path, units="real", timestep=host.dt)
    end = simulate(start, forces.on(Field()), walk, 10, host.dt)
    assert float((ours.positions - end.positions).abs().max()) < 1e-9
    late = simulate(start, load(path, units="real", timestep=1.2 * host.dt).on(Field()), walk, 10, host.dt)
    assert float((late.positions - end.positions).abs().max()) > 1e-5  # it would be seen


def test_a_periodic_box_is_remarked_upon(tmp_path):
    hook = load(parameters(tmp_path, "dX_MF", **FILES["dX_MF"]), units="real")
    state = State.from_atoms(Atoms("Ar4", PLACES, cell=[20.0] * 3, pbc=True))
    with pytest.warns(UserWarning, match="the box is periodic.*without images"):
        hook.init(state, Field())


def one_step(path, dt=0.5, seed=3):
    atoms = Atoms("Ar4", PLACES)
    start = State.from_atoms(atoms, seed=seed)
    return start, simulate(start, Field(), load(path, units="real"), 1, dt), dt


def forces(start):
    return Field().evaluate(start).forces / Units.of("real").force


def test_oseen_has_its_pi(tmp_path):
    """One step of two beads, by hand: each has its own share and that of the other."""
    start, end, dt = one_step(parameters(tmp_path, "dX_MF", eta=0.05, a=1.0, epsilon=0.5))
    f, x = forces(start), start.positions
    velocity = f / (6 * math.pi * 0.05)
    for i in range(4):
        for j in range(4):
            if i != j:
                r = x[i] - x[j]
                d = r.norm()
                velocity[i] += (f[j] + r * (r @ f[j]) / d**2) / (8 * math.pi * 0.05 * (d + 0.5))
    assert torch.allclose(end.positions - start.positions, dt * velocity, atol=1e-12)


def test_pairs_are_put_together_symmetrically(tmp_path):
    start, end, dt = one_step(parameters(tmp_path, "dX_MF_ML1", **FILES["dX_MF_ML1"]))
    own, pair, x = exported.OwnBlock(0.5, 0.1), exported.PairBlock(0.3), start.positions.float()
    m = torch.zeros(4, 4, 3, 3)
    for i in range(4):
        for j in range(4):
            m[i, j] = (own(x[i][:, None]) if i == j else pair(torch.cat([x[i], x[j]])[:, None])).reshape(3, 3)
    velocity = torch.einsum("ijab,jb->ia", m.double(), forces(start))
    assert torch.allclose(end.positions - start.positions, dt * velocity, atol=1e-6)


@pytest.mark.parametrize("kind", ["dX_MF_Q1_ML1_Pair", "dX_MF_Q1_ML1_N2N"])
def test_the_drift_is_really_computed(kind, tmp_path):
    """∇·M is 2 c g z along z, of both; what couples two particles along x depends on z alone and has none."""
    cold = parameters(tmp_path, kind, "cold.xml", **{**FILES[kind], "flag_thm_drift": 0})
    warm = parameters(tmp_path, kind, "warm.xml", **FILES[kind])
    start, without, dt = one_step(cold)
    _, with_drift, _ = one_step(warm)
    drift = (with_drift.positions - without.positions) / dt
    expected = torch.zeros(4, 3, dtype=torch.float64)
    expected[:, 2] = 0.1 * 2 * 0.5 * 0.1 * start.positions[:, 2]
    assert torch.allclose(drift, expected, atol=5e-5)
    assert float(drift.abs().max()) > 5e-3


class Screw(torch.nn.Module):
    """A pair block that is not symmetric and depends on both places, with a divergence that autograd knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = x[0:3] * 0.3, x[3:6] * 0.2
        return (torch.sin(a) @ torch.cos(b).T + 0.1 * a @ a.T + 0.2 * b @ a.T).reshape(9, 1)


def test_divergence_of_pairs_is_that_of_the_whole_matrix(tmp_path):
    """Blocks of one and of two particles, by differences, against autograd of the matrix that they make up."""

    class Exact:  # float64, and differentiable
        def __init__(self, module):
            self.module = module

        def __call__(self, rows, size):
            return torch.stack([self.module(row[:, None]).reshape(-1) for row in rows])

    mobility = ExportedPairMobility(Exact(exported.OwnBlock(0.5, 0.1).double()), Exact(Screw()))
    x = torch.tensor(PLACES, dtype=torch.float64)
    with torch.no_grad():
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            found = mobility.divergence(x[None], 1e-4)[0]
            jacobian = torch.autograd.functional.jacobian(lambda y: mobility(y.reshape(1, 4, 3))[0], x.reshape(-1))
        finally:
            torch.set_default_dtype(default)
    expected = torch.einsum("pqq->p", jacobian).reshape(4, 3)
    assert torch.allclose(found, expected, atol=1e-7) and float(expected.abs().max()) > 0.05


def test_noise_has_the_covariance_of_the_mobility(tmp_path):
    """10,000 replicas of one step: <Δ Δᵀ> = 2 k_B T M dt, the term between two particles included."""
    path = parameters(
        tmp_path, "dX_MF_Q1_ML1_N2N", M_filename=exported.Wall(0.5, 0.1, 1.2), **{**WARM, "flag_thm_drift": 0}
    )
    hook, start = load(path, units="real"), State.from_atoms(Atoms("Ar4", PLACES))
    many = State.batch([start] * 10_000, seed=1)
    random = hook.step(many.replace(forces=torch.zeros_like(many.positions)), Nothing(), 0.5)
    moved = (random.positions - many.positions).reshape(10_000, -1)
    found = moved.T @ moved / len(moved)
    expected = 2 * 0.1 * 0.5 * hook.mobility(start.positions[None])[0]
    error = (expected.diag()[:, None] * expected.diag() + expected**2).sqrt() / math.sqrt(len(moved))
    assert float(((found - expected) / error).abs().max()) < 4.5
    assert float((expected / error)[0, 3].abs()) > 5  # the cross term would be seen


class Nothing(Potential):
    cutoff = 0.0

    def energy(self, system, positions, cell, neighbours):
        return 0.0 * system.sum_over_atoms(positions[:, 0])


@pytest.mark.parametrize("kind", ["dX_MF_Q1_ML1_Pair", "dX_MF_Q1_ML1_N2N"])
@pytest.mark.parametrize("drift", [1, 0])
def test_a_bead_in_a_trap_follows_boltzmann_with_the_drift_and_not_without(kind, drift, tmp_path):
    """Where the mobility grows with z², 5,000 replicas: z is normal of variance k_B T/k; without drift it is not."""
    own = exported.OwnBlock(1.0, 8.0)
    models = {"M_ii_filename": own, "M_ij_filename": exported.PairBlock(1.0)} if "Pair" in kind else {"M_filename": own}
    path = parameters(tmp_path, kind, **models, **{**WARM, "flag_thm_drift": drift})
    width = (0.1 / 1.0) ** 0.5  # k = 1 and KBT = 0.1, kcal/mol and Å
    start = torch.randn(5_000, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * width
    lone = State.from_atoms(Atoms("Ar", [[0, 0, 0]]), seed=7)
    state = State.batch([lone] * 5_000, seed=1).replace(positions=start)
    end = simulate(state, Trap(), load(path, units="real"), 60, 0.02)
    p = stats.kstest(end.positions[:, 2].numpy() / width, "norm").pvalue
    assert p > 0.01 if drift else p < 1e-6


class Trap(Potential):
    """E = r²/2, kcal/mol."""

    cutoff = 0.0

    def energy(self, system, positions, cell, neighbours):
        return system.sum_over_atoms(0.5 * positions.square().sum(1)) * Units.of("real").energy


def test_a_mobility_that_is_not_positive_names_particles_and_eigenvalue(tmp_path):
    path = parameters(
        tmp_path, "dX_MF_Q1_ML1_Pair", **{**FILES["dX_MF_Q1_ML1_Pair"], "M_ij_filename": exported.PairBlock(3.0)}
    )
    with pytest.raises(
        LabkitError, match=r"not positive semi-definite: its eigenvalue -.* particles \d, \d .*flag_stochastic"
    ):
        one_step(path)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_mobility_that_is_positive_up_to_the_digits_of_a_model_has_noise(kind):
    """L Lᵀ of any rank, as models compute it; a system that is positive keeps Cholesky's factor beside others."""
    generator = torch.Generator().manual_seed(1)
    for rank in (1, 2, 10, 29):
        l = torch.randn(20, 30, rank, generator=generator).to(kind)
        m = torch.cat([(l @ l.mT).to(torch.float64), torch.eye(30, dtype=torch.float64)[None]])
        found = factor(m)
        assert float((found @ found.mT - m).abs().max()) < 2e-5 * float(m.abs().max())
        assert torch.equal(found[-1], m[-1])
    with pytest.raises(LabkitError, match=r"system 1: .*not positive semi-definite.*particles 0, 2 "):
        factor(torch.diag_embed(torch.tensor([[1.0] * 9, [1.0] * 6 + [-1e-4] + [1.0] * 2]).double()) - 0.0)


def test_blocks_come_in_mlmods_order(tmp_path):
    """X V F Type Time, each atom after atom, whatever the order in mask_input: the model gives its own input back."""
    path = parameters(
        tmp_path, "QoI_ML1", base_name="seen", base_dir=tmp_path / "out", qoi_filename=exported.Times(1.0),
        mask_fix="FINAL_INTEGRATE", mask_input="Time Type F V X", skip_step=5,
    )  # fmt: skip
    lmp = beads()
    lmp.command("fix nve all nve")
    with Host(lmp) as host:
        name = host.mlmod(path, "odd")
        host.run(10)
        state, units = host.state("odd"), host.units
        expected = torch.cat([
            state.positions.reshape(-1), state.velocities.reshape(-1) / units.velocity,
            state.forces.reshape(-1) / units.force, torch.tensor([1.0, 1.0]), torch.tensor([5.0]),
        ])  # fmt: skip
        found = read_quantity(tmp_path / "out" / "seen__final_integrate__0_00000010.xml")
        assert found.shape == (21, 1) and torch.allclose(found[:, 0], expected, rtol=1e-6)
        assert lmp.extract_fix(name, 0, 1, 2) == pytest.approx(float(found[2, 0]))
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [f"seen__final_integrate__0_{step:08d}.xml" for step in (0, 5, 10)]


def test_a_quantity_with_columns_in_the_engine(tmp_path):
    path = parameters(
        tmp_path, "QoI_ML1", base_name="table", base_dir=tmp_path / "out", qoi_filename=exported.Table(),
        mask_fix="INITIAL_INTEGRATE FINAL_INTEGRATE", mask_input="X V",
    )  # fmt: skip
    quantity = load(path, units="real")
    end = simulate(State.from_atoms(Atoms("Ar4", PLACES)), Field(), VelocityVerlet(), 3, 1.0, observers=[quantity])
    expected = torch.stack([end.positions.sum(0), end.velocities.sum(0)], 1)
    assert quantity.value.shape == (1, 3, 2) and torch.allclose(quantity.value[0], expected, atol=1e-5)
    for place in ("initial_integrate", "final_integrate"):
        assert torch.allclose(read_quantity(tmp_path / "out" / f"table__{place}__0_00000003.xml"), expected, atol=1e-5)


def test_models_on_a_group_and_one_that_takes_no_batches(tmp_path):
    """Local indices and IDs differ in LAMMPS; the others of the beads feel nothing."""
    path = parameters(tmp_path, "F_X_ML1", **{**POST, "F_filename": exported.Branched()})
    lmp = beads()
    lmp.command("unfix pull")
    with Host(lmp) as host, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        host.mlmod(path, "odd")
        host.run(0)
        found = host.state().forces / host.units.force
    expected = torch.tensor([[2.0], [0], [2.0], [0]]) * torch.tensor(PLACES)
    assert torch.allclose(found, expected.double(), atol=1e-6)
    assert any("takes no batches" in str(warning.message) for warning in said)


def test_a_batch_is_the_single_calls(tmp_path):
    for module in (
        exported.PairBlock(0.3),
        torch.nn.Sequential(Turned(), torch.nn.Linear(6, 9), torch.nn.Tanh(), Turned()),
    ):
        path = parameters(tmp_path, "dX_MF_ML1", M_ii_filename=exported.OwnBlock(1.0, 0.0), M_ij_filename=module)
        model = ExportedModel(Parameters.read(path, {n: k.keys for n, k in KINDS.items()}), "M_ij_filename")
        rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
        found = model(rows, 9)
        assert model.batched
        singles = torch.stack([model.single(row, 9) for row in rows])
        assert torch.allclose(found.float(), singles, rtol=1e-5, atol=1e-6)


class Turned(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.T


def test_time_and_forces_must_be_known_in_the_engine(tmp_path):
    state = State.from_atoms(Atoms("Ar4", PLACES))
    path = parameters(tmp_path, "F_X_ML1", **{**POST, "mask_input": "X Time", "F_filename": exported.Times(1.0, 1, 4)})
    with pytest.raises(LabkitError, match="Time: use load.*timestep"):
        load(path, units="real").evaluate(state)
    found = load(path, units="real", timestep=2.0).evaluate(state.replace(step=7)).forces / Units.of("real").force
    assert np.allclose(found[:, 2], 14.0)
    path = parameters(tmp_path, "F_X_ML1", **{**POST, "mask_input": "X F", "F_filename": exported.Times(1.0, 3, 6)})
    with pytest.raises(LabkitError, match=r"model\.on\(potential\)"):
        load(path, units="real").evaluate(state)


def test_types_that_are_names_need_numbers_only_where_a_model_is_given_them(tmp_path):
    path = parameters(
        tmp_path, "QoI_ML1", base_name="kinds", base_dir=tmp_path / "out", qoi_filename=exported.Times(1.0),
        mask_fix="FINAL_INTEGRATE", mask_input="Type", skip_step=1,
    )  # fmt: skip
    lmp = beads()
    with Host(lmp, types={1: "CA", 2: "CB"}) as host:
        host.mlmod(path)
        host.run(0)
        state = host.state()
    seen = tmp_path / "out" / "kinds__final_integrate__0_00000000.xml"
    assert read_quantity(seen)[:, 0].tolist() == [1.0, 2.0, 1.0, 2.0]
    assert state.system.vocabulary.names == ("CA", "CB") and state.system.numbers.tolist() == [0] * 4
    with pytest.raises(LabkitError, match=r"the type 'CA' has no number; use load\(\.\.\., types={'CA': 1}\)"):
        load(path, units="real")(state, None)
    quantity = load(path, units="real", types={"CA": 7, "CB": 5})
    quantity(state, None)
    assert quantity.value.flatten().tolist() == [7.0, 5.0, 7.0, 5.0]
    quantity = load(path, units="real")
    quantity(State.from_atoms(Atoms("OHHO", PLACES)), None)  # elements have numbers
    assert quantity.value.flatten().tolist() == [8.0, 1.0, 1.0, 8.0]
