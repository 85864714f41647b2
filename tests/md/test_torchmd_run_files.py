"""Run files with the keys, forms and quirks of those that TorchMD, torchmd-cg and torchmd-protein-thermodynamics ship.

They run as they are, from the folder that their paths start in; only `device` is changed, and the lengths are shorter.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from forcefield import files as chain
from md import files as water

from labkit.cli import main
from labkit.md import RunSettings, prepare
from labkit.units import KCAL_PER_MOL

pytest.importorskip("mdtraj")

# First null, then given: as the file of tests/cg has it.
COARSE_GRAINED = """
coordinates: null
cutoff: 7.3
device: cuda
external: null
forcefield: tests/cg/forcefield.yaml
forceterms:
- Bonds
- Angles
- RepulsionCG
langevin_gamma: 1
langevin_temperature: 350
log_dir: Folded_16
output: output
output_period: 10
precision: double
replicas: 2
rfa: false
save_period: 1000
seed: 1
steps: 20
topology: tests/cg/cg_structure.psf
coordinates: tests/cg/cg_structure.xtc
temperature: 350
timestep: 1
external:
  module: nnp.calculators.torchmdcalc
  embeddings: [5, 1, 4, 1, 10, 7]
  file: tests/cg/acemdq.ckp.40
"""
# exclusions as a Python tuple in text, a frame for each replica, paths beside the run file
PROTEIN = """
device: cuda:1
forcefield: prior_force_field.yaml
forceterms:
- Bonds
- RepulsionCG
- Dihedrals
exclusions: ('bonds')
langevin_gamma: 1
langevin_temperature: 350
log_dir: cln_32trajs_350_ts1
output: output
output_period: 10
precision: double
replicas: 3
rfa: false
save_period: 10
seed: 1
steps: 20
topology: topology/cln.psf
coordinates: starting_xtc/cln_kcenters_32clusters_coords.xtc
temperature: 350
timestep: 1
external:
  module: torchmdnet_of_a_test.calculators
  embeddings: embeddings.npy
  file: Models/cln/model.ckpt
  remove_ref_energy: true
"""
WATER = """
coordinates: null
cutoff: 7.3
device: cuda
external: null
forcefield: tests/water/water_forcefield.yaml
forceterms:
- LJ
- Bonds
- Angles
- Electrostatics
langevin_gamma: 0.1
langevin_temperature: 300
log_dir: mywaterrun
output: output
output_period: 1
precision: double
replicas: 2
rfa: false
save_period: 0
seed: 1
steps: 3
structure:
- tests/water/structure.psf
- tests/water/structure.pdb
temperature: 300
timestep: 1
topology: null
"""
# What TorchMD writes into log_dir, and its other form of a run file.
WRITTEN = (
    WATER
    + "exclusions: !!python/tuple\n- bonds\n- angles\n- 1-4\nextended_system: null\nminimize: null\nnpz_file: null\n"
)
CONF = """
timestep=1
temperature=0
langevin_temperature=10.0
langevin_gamma=10.0
device=cpu
structure=['tests/water/structure.psf', 'tests/water/structure.pdb']
forcefield=tests/water/water_forcefield.yaml
seed=1
output_period=1
steps=3
log_dir=mywaterrun
output=output
forceterms=['LJ', 'Bonds', 'Angles', 'Electrostatics']
cutoff=7.3
precision=double
external=None
rfa=False
"""
THROMBIN = """
coordinates: null
cutoff: 7.3
device: cpu
external: null
forcefield: test-data/thrombin-ligand-amber/structure.prmtop
forceterms:
langevin_gamma: 0.1
langevin_temperature: 300
log_dir: /tmp/thrombin/
output: output
output_period: 10
precision: single
replicas: 1
rfa: true
save_period: 10
seed: 1
steps: 10
topology:
  - test-data/thrombin-ligand-amber/structure.prmtop
coordinates:
  - test-data/thrombin-ligand-amber/structure.pdb
temperature: 300
timestep: 4
"""
ALANINE = """
forcefield: test-data/prod_alanine_dipeptide_amber/structure.prmtop
topology: test-data/prod_alanine_dipeptide_amber/structure.prmtop
coordinates: test-data/prod_alanine_dipeptide_amber/input.coor
extended_system: test-data/prod_alanine_dipeptide_amber/input.xsc

seed: 1

cutoff: 9
switch_dist: 7.5
langevin_gamma: 0.1
langevin_temperature: 300
replicas: 1
rfa: true
temperature: 300
timestep: 1
steps: 20

external: null
forceterms:

log_dir: /tmp/alanine_dipeptide/
output: output
output_period: 10
save_period: 10

device: cpu
precision: single

"""
CALCULATOR = """
class External:
    def __init__(self, file, embeddings, device, remove_ref_energy=False):
        assert embeddings.shape[1] == 6 and file.endswith((".40", "model.ckpt"))

    def calculate(self, pos, box):
        return 0.1 * pos.square().sum((1, 2)), -0.2 * pos
"""


def beads(folder: Path, psf: str, forcefield: str, xtc: str, frames: int) -> None:
    """A chain of six beads a to f without masses of its own, and frames of it without a box."""
    from mdtraj import formats

    names = "abcdef"
    for path in (psf, forcefield, xtc):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{k:10d} 0        0        {b}        {b}        {b}        0.000000        0.0000           0 "
            for k, b in enumerate(names, 1)]  # fmt: skip
    lists = {"NBOND: bonds": 2, "NTHETA: angles": 3, "NPHI: dihedrals": 4}
    lines = ["PSF NAMD", "", "       0 !NTITLE", "", "       6 !NATOM", *rows, "", ""]
    for title, width in lists.items():
        of = [range(k, k + width) for k in range(1, 8 - width)]
        lines += [f"{len(of):8d} !{title}", *("".join(f"{a:10d}" for a in row) for row in of), "", ""]
    lines += ["       0 !NIMPHI: impropers", "", ""]
    (folder / psf).write_text("\n".join(lines))
    content = {
        "atomtypes": list(names),
        "bonds": {f"({a}, {b})": {"k0": 70.0, "req": 3.8} for a, b in zip(names, names[1:])},
        "angles": {"(X, X, X)": {"k0": 8.0, "theta0": 100.0}},
        "dihedrals": {"(X, X, X, X)": {"terms": [{"phi_k": 0.5, "phase": 0, "per": 1}]}},
        "lj": {a: {"sigma": 3.2, "epsilon": 1.0} for a in names},
        "electrostatics": {a: {"charge": 0.0} for a in names},
        "masses": dict.fromkeys(names, 12.0),
    }
    (folder / forcefield).write_text(yaml.safe_dump(content))
    where = np.stack([3.6 * np.arange(6), 1.3 * (np.arange(6) % 2), 0.9 * (np.arange(6) % 3)], 1)
    scaled = where * np.linspace(1, 1.05, frames)[:, None, None]
    with formats.XTCTrajectoryFile(str(folder / xtc), "w") as file:
        file.write((scaled / 10).astype(np.float32))


def coarse_grained(folder: Path) -> None:
    beads(folder, "tests/cg/cg_structure.psf", "tests/cg/forcefield.yaml", "tests/cg/cg_structure.xtc", 2)
    (folder / "nnp/calculators").mkdir(parents=True)
    (folder / "nnp/calculators/torchmdcalc.py").write_text(CALCULATOR)


def protein(folder: Path) -> None:
    beads(folder, "topology/cln.psf", "prior_force_field.yaml", "starting_xtc/cln_kcenters_32clusters_coords.xtc", 3)
    (folder / "torchmdnet_of_a_test").mkdir()
    (folder / "torchmdnet_of_a_test/calculators.py").write_text(CALCULATOR)
    np.save(folder / "embeddings.npy", np.arange(6))


def waters(folder: Path) -> None:
    place = folder / "tests/water"
    place.mkdir(parents=True)
    water.water_box(place)
    (place / "water.pdb").rename(place / "structure.pdb")
    (place / "water.yaml").rename(place / "water_forcefield.yaml")
    water.psf(place / "structure.psf", 30)


def amber(folder: Path) -> None:
    for name in ("thrombin-ligand-amber", "prod_alanine_dipeptide_amber"):
        place = folder / "test-data" / name
        place.mkdir(parents=True)
        chain.write_amber(place)[0].rename(place / "structure.prmtop")
        rows = zip(range(1, 7), chain.NAMES, ["MOL"] * 4 + ["NA", "CL"], [1] * 4 + [2, 3], 10 * chain.POSITIONS)
        (place / "structure.pdb").write_text(
            "".join(
                f"HETATM{n:5d}  {name:<3s} {residue:<3s} A{m:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00\n"
                for n, name, residue, m, (x, y, z) in rows
            )
        )
        water.coor(place / "input.coor", 10 * chain.POSITIONS)
        water.xsc(place / "input.xsc", 30 * np.eye(3))


RUNS = {
    "tests/cg/conf.yaml": (COARSE_GRAINED, coarse_grained, 2),
    "simulate.yaml": (PROTEIN, protein, 3),
    "tests/water/water_conf.yaml": (WATER, waters, 2),
    "mywaterrun/input.yaml": (WRITTEN, waters, 2),
    "mywaterrun/input.conf": (CONF, waters, 1),
    "tests/thrombin-ligand-amber/conf.yaml": (THROMBIN, amber, 1),
    "tests/prod_alanine_dipeptide_amber/conf.yaml": (ALANINE, amber, 1),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_unchanged_but_for_the_device(name, tmp_path, monkeypatch):
    text, write, replicas = RUNS[name]
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = text.replace("device: cuda:1", "device: cpu").replace("device: cuda", "device: cpu")
    path.write_text(text.replace("/tmp/", f"{tmp_path}/"))
    settings = RunSettings.read(path)
    if settings.external is not None:
        assert main(["md", name]) == 2  # what --trust is for
    assert main(["md", name, "--trust"]) == 0
    table = pd.read_csv(Path(settings.log_dir) / "monitor.csv")
    assert table["step"].max() == settings.steps and len(table) == replicas * (
        settings.steps // settings.output_period + 1
    )
    assert np.isfinite(table["total_eV"]).all()


#: Changes to a run file, and kcal/mol of each replica at its start by TorchMD 1.1.2 in double precision. (Its
#: RepulsionCG fails to start, its charges jump at a cutoff without reaction field, and it takes nearest images only.)
START = {
    "tests/cg/conf.yaml": (dict(forceterms=["Bonds", "Angles", "LJ"]), [29.304712065838977, 70.50219001695976]),
    "simulate.yaml": (
        dict(forceterms=["Bonds", "LJ", "Dihedrals"]), [18.02742278902505, 35.15422098179678, 59.25479019578937],
    ),
    "tests/water/water_conf.yaml": (dict(cutoff=4.5, switch_dist=4.0, rfa=True), [-41.682454766332455] * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", START)
def test_energies_at_the_start_are_those_of_torchmd(name, tmp_path, monkeypatch):
    text, write, _ = RUNS[name]
    changes, exact = START[name]
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    content = {**yaml.safe_load(text), "device": "cpu", "external": None, **changes}
    prepared = prepare(RunSettings.from_dict(content, "run"))
    found = prepared.potential.evaluate(prepared.state).energy / KCAL_PER_MOL
    assert found.tolist() == pytest.approx(exact, rel=1e-5)  # its constants have six digits


def test_what_their_quirks_mean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    protein(tmp_path)
    settings = RunSettings.from_dict({**yaml.safe_load(PROTEIN), "device": "cpu"}, "run")
    assert settings.exclusions == ("bonds",) and settings.external.options == {"remove_ref_energy": True}
    prepared = prepare(settings, trust=True)
    first, second = prepared.state.positions.reshape(3, 6, 3)[:2]
    np.testing.assert_allclose(second, first * 1.025, atol=0.02)  # a frame each
    assert prepared.state.system.masses.tolist() == [12.0] * 18
    assert RunSettings.from_dict({**yaml.safe_load(WATER), "exclusions": "('bonds', 'angles')"}, "run").exclusions == (
        "bonds", "angles",
    )  # fmt: skip
    conf = tmp_path / "input.conf"
    conf.write_text(CONF)
    read = RunSettings.read(conf)
    assert (
        read.external is None and read.rfa is False and read.forceterms == ("lj", "bonds", "angles", "electrostatics")
    )
    assert read.structure == ("tests/water/structure.psf", "tests/water/structure.pdb")


def test_charmm_and_amber_parameters_with_a_psf(tmp_path):
    """`forcefield: x.prm` and `x.frcmod`: masses and charges of the psf; what TorchMD leaves out is said."""
    psf, crd, prm = chain.write_charmm(tmp_path, nbfix=True)
    values = {"topology": psf.name, "coordinates": crd.name, "forcefield": prm.name}
    prepared = prepare(RunSettings.from_dict(values, "run"), tmp_path)
    assert {"bonds", "angles", "dihedrals", "impropers_harmonic", "lj", "electrostatics"} <= set(
        prepared.potential.terms
    )
    assert prepared.state.system.masses.tolist() == pytest.approx(chain.MASSES)
    (note,) = [note for note in prepared.notes if "left out" in note]
    assert note.endswith("par_chain.prm: left out, as in TorchMD: 1 of the Urey-Bradley terms, 1 of the NBFIX pairs")


@pytest.mark.parametrize("ending", [".top", ".prm", ".prmtop"])
def test_amber_under_other_names(ending, tmp_path):
    """AMBER's topology as .top and .prm, its coordinates as .crd."""
    prmtop, inpcrd = chain.write_amber(tmp_path)
    plain = {"topology": prmtop.name, "coordinates": inpcrd.name, "forcefield": prmtop.name}
    exact = prepare(RunSettings.from_dict(plain, "run"), tmp_path)
    (tmp_path / f"amber{ending}").write_bytes(prmtop.read_bytes())
    inpcrd.rename(tmp_path / "amber.crd")
    named = {"topology": f"amber{ending}", "coordinates": "amber.crd", "forcefield": f"amber{ending}"}
    prepared = prepare(RunSettings.from_dict(named, "run"), tmp_path)
    assert float(prepared.potential.evaluate(prepared.state).energy) == float(
        exact.potential.evaluate(exact.state).energy
    )
    assert prepared.state.system.types.tolist() == exact.state.system.types.tolist()
