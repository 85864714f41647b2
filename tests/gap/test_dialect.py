"""What gap_fit's settings mean is asked of gap_fit itself: by its log, by the model it writes, and by its refusals."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io.extxyz import write_extxyz

from labkit.errors import LabkitError
from labkit.gap.config import Distance2b, GapConfig, Soap
from labkit.gap.keys import ALIASES
from labkit.gap.lexer import as_real

COMMAND = shutil.which("gap_fit") or shutil.which("gap_fit", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(COMMAND is None, reason="gap_fit is not installed: pip install quippy-ase")

SOAP = "soap cutoff=3 n_max=2 l_max=1 atom_sigma=0.5 delta=0.2 covariance_type=dot_product zeta=2"
REST = "at_file=train.xyz gp_file=gap.xml do_copy_atoms_file=F default_sigma={0.001 0.1 0.1 0}"


def frames() -> Iterator[Atoms]:
    for k in range(2):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=k)
        atoms.numbers[2:] = 79
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info |= {"energy": energy, "config_type": "ab"[k]}
        atoms.arrays["force"] = forces
        yield atoms


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("dialect")
    with open(place / "train.xyz", "w") as file:
        for atoms in frames():
            write_extxyz(file, [atoms], columns=["symbols", "positions", "force"], write_results=False)
    return place


def asked(folder: Path, text: str) -> tuple[dict[str, str], str] | None:
    """gap_fit's own settings by key, and the model's XML; None if it refuses."""
    (folder / "gap.cfg").write_text(text)
    for old in folder.glob("gap.xml*"):
        old.unlink()
    done = subprocess.run([COMMAND, "config_file=gap.cfg"], capture_output=True, text=True, cwd=folder, timeout=60)
    if done.returncode or not (folder / "gap.xml").is_file():
        return None
    shown = done.stdout.split("Input parameters")[1].split("Database fitting")[0]
    found = {k: v.strip().strip('"') for k, v in re.findall(r"^(\w+) =(.*)$", shown, flags=re.M)}
    return {**found, "log": done.stdout}, (folder / "gap.xml").read_text()


def attribute(xml: str, name: str) -> list[str]:
    return re.findall(rf'\b{name}="([^"]*)"', xml)


def agree(config: GapConfig, settings: dict[str, str], xml: str) -> None:
    """gap_fit's view of the same text."""
    values = {ALIASES.get(k, k): v for k, v in settings.items() if v and v != "//MANDATORY//"}
    sigmas = [as_real(x) for x in settings["default_sigma"].split()]
    assert [config.sigma_energy, config.sigma_force or 0.0, config.sigma_virial or 0.0] == sigmas[:3]
    for key, mine in (("energy_parameter_name", config.energy_key), ("gp_file", config.gp_file)):
        assert values[key] == mine
    assert as_real(values["sparse_jitter"]) == pytest.approx(config.sparse_jitter)
    lone = {int(z): float(e) for z, e in re.findall(r'<e0 Z="(\d+)" value="([^"]*)"', xml)}
    if config.e0 is not None:
        mine = config.e0 if isinstance(config.e0, dict) else {"Cu": config.e0, "Au": config.e0}
        assert lone[29] == pytest.approx(mine["Cu"]) and lone[79] == pytest.approx(mine["Au"])
    of_terms = [d for d in config.descriptors for _ in range(_copies(d))]
    assert [float(x) for x in attribute(xml, "signal_variance")] == pytest.approx([d.delta for d in of_terms])
    counts = [int(x) for x in attribute(xml, "n_sparseX")]
    for d, count in zip(of_terms, counts, strict=True):  # pivoting ends early where environments are too alike
        assert count == d.n_sparse or d.sparse_method == "fps" and count < d.n_sparse
    zetas = [float(x) for x in attribute(xml, "zeta")]
    assert zetas == pytest.approx([d.zeta for d in of_terms if isinstance(d, Soap)])
    texts = re.findall(r"<descriptor>(.*?)</descriptor>", xml, flags=re.S)
    for d, text in zip(of_terms, texts, strict=True):
        for key in ("cutoff", "n_max", "l_max", "atom_sigma", "cutoff_transition_width", "central_weight"):
            shown = re.search(rf"(?i)\b{key}=(\S+)", text)
            if shown and hasattr(d, key):
                assert as_real(shown[1]) == pytest.approx(getattr(d, key))


def _copies(d: Soap | Distance2b) -> int:
    """Terms that gap_fit makes of one for two elements."""
    only = d.centre if isinstance(d, Soap) else d.pair
    return 1 if only is not None else 2 if isinstance(d, Soap) else 3


DIALECT = {
    "one e0 for all": f"{REST} e0=-0.198 gap={{{SOAP} n_sparse=2}}",
    "e0 in braces": f"{REST} e0={{-0.198}} gap={{{SOAP} n_sparse=2}}",
    "e0 by element": f"{REST} e0={{Cu:-0.1:Au:-2.d-1}} gap={{{SOAP} n_sparse=2}}",
    "e0 and its offset": f"{REST} e0=0.5 gap={{{SOAP} n_sparse=2}}",
    "a bare logical": f"{REST} e0=0 gap={{{SOAP} n_sparse=2 add_species}}",
    "a bare logical of the fit": f"{REST} sigma_per_atom e0=0 gap={{{SOAP} n_sparse=2}}",
    "species in two braces": f"{REST} e0=0 "
    f"gap={{{SOAP} n_sparse=2 Z=29 n_species=2 species_Z={{{{29 79}}}} add_species=F}}",
    "spaces in braces": f"{REST} e0=0 gap={{{SOAP} n_sparse={{{{ 2 }}}}}}",
    "upper-case keys": f"{REST} E0=0.25 gap={{{SOAP} N_SPARSE=2}}".replace("cutoff=", "CUTOFF=").replace(
        "default_sigma", "Default_Sigma"
    ),
    "upper-case words": f"{REST} e0=0 gap={{{SOAP} n_sparse=2}}".replace("soap", "SOAP").replace("dot_p", "DOT_P"),
    "points by kind": f"{REST} e0=0 gap={{{SOAP} config_type_n_sparse={{a:1:b:2}}}}".replace("delta=0.2", "delta=0.3"),
    "two terms": f"{REST} e0=0 gap={{{SOAP} n_sparse=2 : distance_2b cutoff=3 delta=0.5 covariance_type=gaussian "
    "theta_uniform=0.5 n_sparse=3 sparse_method=uniform}",
    "a pair": f"{REST} e0=0 gap={{distance_2b cutoff=3 Z1=79 Z2=29 add_species=F delta=0.5 covariance_type=ard_se "
    "theta_uniform=0.5 n_sparse=3 sparse_method=uniform}",
    "quotes and Fortran's numbers": f"{REST} e0=0 sparse_jitter=1.0d-8 gap='{SOAP} n_sparse=2'",
    "other names": f"{REST} e0=0 gap={{{SOAP} n_sparse=2}}".replace("delta", "energy_scale").replace(
        "default_sigma", "default_kernel_regularisation"
    ),
}


@pytest.mark.parametrize("case", DIALECT)
def test_what_gap_fit_reads_means_the_same_here(case, folder):
    text = DIALECT[case]
    found = asked(folder, text)
    assert found is not None, "gap_fit refuses this case"
    settings, xml = found
    settings.setdefault("default_sigma", settings["default_kernel_regularisation"])
    if settings["default_sigma"].startswith("//"):
        settings["default_sigma"] = settings["default_kernel_regularisation"]
    config = GapConfig.parse(text)
    agree(config, settings, xml)
    again = asked(folder, config.text())  # what labkit writes is what gap_fit needs
    assert again is not None, config.text()
    agree(config, *again)
    assert GapConfig.parse(config.text()) == config


REFUSED = {
    "both numbers of points": f"{REST} e0=0 gap={{{SOAP} n_sparse=2 config_type_n_sparse={{a:1:b:2}}}}",
    "no number of points": f"{REST} e0=0 gap={{{SOAP}}}",
    "a bare number": f"{REST} e0=0 sparse_jitter gap={{{SOAP} n_sparse=2}}",
    "an unknown key": f"{REST} e0=0 sparse_jiter=1 gap={{{SOAP} n_sparse=2}}",
    "kinds without numbers": f"{REST} e0=0 gap={{{SOAP} config_type_n_sparse={{a:1:b}}}}",
    "an e0 without a number": f"{REST} e0={{Cu:1:Au}} gap={{{SOAP} n_sparse=2}}",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_gap_fit_refuses_is_refused_here(case, folder):
    assert asked(folder, REFUSED[case]) is None
    with pytest.raises(LabkitError):
        GapConfig.parse(REFUSED[case])


@pytest.mark.parametrize("seed", range(6))
def test_what_labkit_writes_gap_fit_reads(seed, folder):
    rng = np.random.default_rng(seed)

    def soap() -> Soap:
        only = [{}, {"centre": 29, "species": (29, 79)}, {"centre": 79, "species": (29, 79)}][rng.integers(3)]
        kinds = {"other": {"config_type_n_sparse": "a:1:b:1"}} if rng.random() < 0.3 else {"n_sparse": 2}
        return Soap(
            cutoff=round(rng.uniform(2.6, 4.0), 3), n_max=int(rng.integers(1, 4)), l_max=int(rng.integers(0, 3)),
            atom_sigma=round(rng.uniform(0.3, 0.7), 3), zeta=float(rng.integers(1, 5)),
            delta=round(rng.uniform(0.1, 2), 3), sparse_method=str(rng.choice(["random", "cur_points", "fps"])),
            **only, **kinds,
        )  # fmt: skip

    def pair() -> Distance2b:
        which = [None, (29, 79), (29, 29)][rng.integers(3)]
        return Distance2b(cutoff=4.0, n_sparse=4, delta=round(rng.uniform(0.1, 2), 3), pair=which)

    e0 = [{"Cu": -0.5, "Au": 1.25}, -29.7, 0.0][rng.integers(3)]
    terms = tuple(soap() if rng.random() < 0.6 else pair() for _ in range(rng.integers(1, 3)))
    config = GapConfig(terms, 0.002, 0.1, 0.1, e0=e0, forces_key="force", other={"do_copy_atoms_file": "F"})
    found = asked(folder, config.text())
    assert found is not None, config.text()
    agree(config, *found)
