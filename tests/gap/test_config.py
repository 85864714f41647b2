"""GapConfig: gap_fit's own file is read, written and understood by the real gap_fit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.datasets import DatasetWarning
from labkit.errors import LabkitError
from labkit.gap.config import Distance2b, GapConfig, Soap
from labkit.gap.keys import ALIASES, DISTANCE_2B_KEYS, FIT_KEYS, MANDATORY, SOAP_KEYS

TYPICAL = """
# settings of a tutorial
atoms_filename=train.xyz gp_file=gap.xml   # one line, two keys
gap={soap cutoff=5.0 atom_sigma=0.3 l_max=6 n_max=4 n_sparse=8000 \\
     delta=1.0 covariance_type=dot_product zeta=2 mark_sparse_atoms
  : distance_2b cutoff=4.0 theta_uniform=1.0 n_sparse=20 delta=2 covariance_type=ARD_SE sparse_method=uniform}
default_sigma={0.01 0.5 0 0}
e0={H:-13.6:O:-4.3d2} sparse_jitter=1e-8 sparse_separate_file=F
energy_parameter_name=energy force_parameter_name="my_forces"
config_type_sigma='ice:0.1:0.2:0:0'
"""


def gap_fit() -> str:
    found = shutil.which("gap_fit") or shutil.which("gap_fit", path=str(Path(sys.executable).parent))
    return found or pytest.skip("gap_fit is not installed: pip install quippy-ase")


def test_reads_a_typical_file():
    config = GapConfig.parse(TYPICAL)
    soap, pair = config.descriptors
    assert isinstance(soap, Soap) and isinstance(pair, Distance2b)
    assert (soap.cutoff, soap.n_max, soap.l_max, soap.zeta, soap.n_sparse) == (5.0, 4, 6, 2.0, 8000)
    assert (soap.cutoff_transition_width, soap.sparse_method) == (0.5, "random")  # gap_fit's own defaults
    assert soap.other == {"mark_sparse_atoms": "T"} and pair.other == {}
    assert (pair.cutoff, pair.theta_uniform, pair.delta, pair.n_sparse) == (4.0, 1.0, 2.0, 20)
    assert (config.sigma_energy, config.sigma_force, config.sigma_virial) == (0.01, 0.5, None)
    assert config.e0 == {"H": -13.6, "O": -430.0}
    assert (config.sparse_jitter, config.seed, config.forces_key) == (1e-8, -1, "my_forces")
    assert config.other == {"sparse_separate_file": "F", "config_type_sigma": "ice:0.1:0.2:0:0"}
    assert config.config_type_sigmas == {"ice": (0.1, 0.2, 0.0, 0.0)}
    assert config.ignored == ["soap: mark_sparse_atoms=T"]
    assert GapConfig.parse(config.text()) == config
    assert config.cutoff == 5.0


def test_what_is_missing_has_the_defaults_of_gap_fit():
    soap = "gap={soap cutoff=4 n_max=8 l_max=6 atom_sigma=0.3 delta=1 n_sparse=9 covariance_type=dot_product}"
    config = GapConfig.parse(soap + " default_sigma={1 1 1 0}")
    assert config.sparse_jitter == 1e-10 and config.e0_method == "isolated" and config.e0 is None
    assert config.forces_key == "force" and config.gp_file == "gap_new.xml"
    (term,) = config.descriptors
    assert term.zeta == 1.0 and term.central_weight == 1.0


def test_other_names_of_the_same_keys():
    swaps = {"default_sigma": "default_kernel_regularisation", "zeta": "soap_exponent", "delta": "energy_scale"}
    text = TYPICAL
    for one, another in swaps.items():
        text = text.replace(one, another)
    assert GapConfig.parse(text) == GapConfig.parse(TYPICAL)


def test_terms_for_one_species():
    text = TYPICAL.replace("zeta=2", "zeta=2 add_species=F Z=8 n_species=2 species_Z={1 8}")
    text = text.replace("theta_uniform", "add_species=F Z1=8 Z2=1 theta_uniform")
    config = GapConfig.parse(text)
    soap, pair = config.descriptors
    assert (soap.centre, soap.species, pair.pair) == (8, (1, 8), (1, 8))
    assert GapConfig.parse(config.text()) == config
    with pytest.raises(LabkitError, match=r"line 5: soap: Z is given, but add_species=F is not"):
        GapConfig.parse(TYPICAL.replace("zeta=2", "zeta=2 Z=8"))
    with pytest.warns(DatasetWarning, match="soap: species_Z, n_species without effect, as add_species takes all"):
        config = GapConfig.parse(TYPICAL.replace("zeta=2", "zeta=2 add_species n_species=1 species_z={{ 29 }}"))
    assert config == GapConfig.parse(TYPICAL)


def change(old: str, new: str) -> str:
    assert old in TYPICAL
    return TYPICAL.replace(old, new)


BAD = {
    "n_max=4": ("nmax=4", r"line 4: soap: unknown key 'nmax'; did you mean 'n_max'\?"),
    "sparse_jitter=1e-8": ("sparse_jiter=1e-8", r"line 8: unknown key 'sparse_jiter'; did you mean 'sparse_jitter'\?"),
    "cutoff=5.0": ("cutoff=0", r"line 4: soap: cutoff is 0.0, expected a number above 0"),
    "atom_sigma=0.3": ("atom_sigma=-1", r"line 4: soap: atom_sigma is -1.0"),
    "l_max=6": ("l_max=2.5", r"line 4: soap: l_max is 2.5, expected a whole number from 0"),
    "n_sparse=8000": ("n_sparse=0", r"line 4: soap: n_sparse is 0.0"),
    "zeta=2": ("zeta=0", r"line 5: soap: zeta is 0.0"),
    "delta=2": ("delta=two", r"line 6: delta is 'two', expected a number"),
    "delta=1.0 ": ("", r"line 4: soap: delta is missing; add delta=1.0"),
    "dot_product": ("dotproduct", r"line 5: soap: covariance_type is 'dotproduct', expected dot_product"),
    "uniform}": ("unifrom}", r"line 6: distance_2b: sparse_method is 'unifrom'.*did you mean 'uniform'\?"),
    "soap ": ("saop ", r"line 4: gap=\{...\} begins with 'saop', expected soap or distance_2b; did you mean 'soap'\?"),
    "distance_2b": ("angle_3b", r"line 6: labkit has no angle_3b, only soap and distance_2b; use gap_fit"),
    "{0.01 0.5 0 0}": ("{0.01 0.5 0}", r"line 7: default_sigma has 3 numbers, expected 4"),
    "0.01 0.5": ("0 0.5", r"line 7: default_sigma: the sigma of energy is 0, expected a number above 0"),
    "0.01 0.5 0": ("0.01 0 0", r"the sigma of force is 0, .* without a model .* force_parameter_name=none"),
    "O:-4.3d2": ("Q:-4.3d2", r"line 8: e0 names 'Q', expected a chemical symbol"),
    ":O:-4.3d2": (":O", r"line 8: e0 is 'H:-13.6:O', expected symbols and eV"),
    "e0=": ("e0_method=average e0=", r"line 8: e0 is given, so e0_method=average has nothing to determine; remove one"),
    "gp_file": ("gap_file=a.xml gp_file", r"line 3: gp_file is given again \(first on line 3 as gap_file\); keep one"),
    "config_type_sigma=": ("n_max=", r"line 10: unknown key 'n_max'; it belongs inside gap=\{...\}"),
    "sparse_method=uniform}": ("sparse_method=uniform", r"line 4: the brace opened after gap= is never closed"),
    '"my_forces"': ('"my_forces', r"line 9: the quote opened after force_parameter_name= is never closed"),
    "default_sigma={0.01 0.5 0 0}": ("", r"default_sigma is missing, and gap_fit has no default for it; add"),
    "energy_parameter_name=energy": ("energy", r"line 9: found 'energy', expected key=value"),
    "cutoff=4.0": ("cutoff=4.0 cutoff_transition_width=5", r"cutoff_transition_width is 5 Å, expected at most"),
}


@pytest.mark.parametrize("old", BAD)
def test_errors_name_the_line_and_help(old, tmp_path):
    new, message = BAD[old]
    path = tmp_path / "gap_config.cfg"
    path.write_text(change(old, new))
    with pytest.raises(LabkitError, match=message) as error:
        GapConfig.read(path)
    assert str(error.value).startswith(f"{path}")


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(LabkitError, match="no such file"):
        GapConfig.read(tmp_path / "nothing.cfg")
    (tmp_path / "binary.cfg").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabkitError, match="could not be read as text"):
        GapConfig.read(tmp_path / "binary.cfg")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Soap(cutoff=0), r"soap: cutoff is 0, expected a number above 0"),
        (lambda: Soap(cutoff=float("nan")), "cutoff is nan"),
        (lambda: Soap(n_max=0), "n_max is 0, expected a whole number above 0"),
        (lambda: Soap(zeta=-1), "zeta is -1"),
        (lambda: Soap(n_sparse="many"), "n_sparse is 'many'"),
        (lambda: Soap(sparse_method="cur"), "sparse_method is 'cur', expected one of cur_points"),
        (lambda: Soap(other={"add_specis": "1"}), "unknown key 'add_specis'; did you mean 'add_species'"),
        (lambda: Soap(other={"zeta": "1"}), "which is a setting here"),
        (lambda: Soap(other={"Z_map": "{1"}), "matching braces"),
        (lambda: Soap(centre=8), "centre and species must be given together"),
        (lambda: Distance2b(pair=(1,)), "pair is .* expected atomic numbers"),
        (lambda: Distance2b(theta_uniform=0), "theta_uniform is 0"),
        (lambda: GapConfig(sigma_energy=0), "sigma_energy is 0, expected a number above 0"),
        (lambda: GapConfig(sigma_force=0), "sigma_force is 0, .* None leaves forces out"),
        (lambda: GapConfig(sigma_virial=-1), "None leaves stresses out"),
        (lambda: GapConfig(seed=0), "seed is 0, with which gap_fit's random numbers fail"),
        (lambda: GapConfig(e0_method="isolate"), "did you mean 'isolated'"),
        (lambda: GapConfig(e0={"Xx": 1.0}), "expected a chemical symbol"),
        (lambda: GapConfig(e0={"H": "one"}), "e0 of H is 'one'"),
        (lambda: GapConfig(descriptors=()), "at least one Soap"),
        (lambda: GapConfig(energy_key="my energy"), "without spaces"),
        (lambda: GapConfig().replace(sigma_forces=1), "no setting 'sigma_forces'; did you mean 'sigma_force'"),
    ],
)
def test_bad_values_in_python(make, message):
    with pytest.raises(LabkitError, match=message):
        make()


positive = st.floats(1e-9, 1e6)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,11}", fullmatch=True).filter(lambda n: n.lower() != "none")
common = {
    "cutoff": st.floats(1.0, 9.0),
    "cutoff_transition_width": st.floats(0.0, 1.0),
    "delta": positive,
    "n_sparse": st.integers(1, 10**6),
    "sparse_method": st.sampled_from(["cur_points", "fps", "random", "uniform", "kmeans"]),
}
soaps = st.builds(
    lambda one, **rest: Soap(**rest, **one),
    st.sampled_from([{}, {"centre": 8, "species": (1, 8)}, {"centre": 1, "species": (1,)}]),
    n_max=st.integers(1, 20),
    l_max=st.integers(0, 12),
    atom_sigma=positive,
    zeta=st.floats(0.5, 9.0),
    central_weight=st.floats(0.0, 2.0),
    other=st.sampled_from([{}, {"f0": "0.5", "config_type_n_sparse": "a:1:b:2"}, {"Z_map": "{1} {8}"}]),
    **common,
)
pairs = st.builds(
    Distance2b, theta_uniform=st.none() | st.floats(1.1e-4, 1e6), pair=st.sampled_from([None, (1, 8)]), **common
)
configs = st.builds(
    GapConfig,
    descriptors=st.lists(soaps | pairs, min_size=1, max_size=3).map(tuple),
    sigma_energy=positive,
    sigma_force=st.none() | positive,
    sigma_virial=st.none() | positive,
    sigma_hessian=st.floats(0.0, 1.0),
    e0=st.none() | st.dictionaries(st.sampled_from(["H", "C", "O", "U"]), st.floats(-1e5, 1e5), min_size=1),
    e0_method=st.sampled_from(["isolated", "average"]),
    sparse_jitter=st.floats(0.0, 1.0),
    energy_key=names,
    virial_key=names,
    seed=st.integers(1, 10**6) | st.just(-1),
    gp_file=names,
    other=st.sampled_from([{}, {"sigma_per_atom": "F"}, {"core_ip_args": "IP LJ"}, {"local_property0": ""}]),
)


@settings(max_examples=200, deadline=None)
@given(configs)
def test_round_trip(config):
    assert GapConfig.parse(config.text()) == config


def test_write_is_atomic(tmp_path):
    config = GapConfig(Soap(cutoff=5.0))
    config.write(tmp_path / "a.cfg")
    assert GapConfig.read(tmp_path / "a.cfg") == config
    with pytest.raises(LabkitError, match="could not be written"):
        config.write(tmp_path / "nowhere" / "a.cfg")
    assert [p.name for p in tmp_path.iterdir()] == ["a.cfg"]


def listed(text: str, after: str) -> dict[str, str]:
    """Keys and defaults that a --help prints from the line that names `after` on."""
    found = re.findall(r"^(\w+) type=\w+ (?:scalar|dim=\d+) current_value=(.*)$", text, flags=re.M)
    start = max(i for i, (key, _) in enumerate(found) if key == after)
    return {ALIASES.get(key, key): value.strip() for key, value in found[start:]}


def test_the_keys_are_those_of_the_real_gap_fit(tmp_path):
    command = gap_fit()
    help_text = subprocess.run([command, "--help"], capture_output=True, text=True, cwd=tmp_path).stdout
    assert listed(help_text, "atoms_filename") | {"atoms_filename": MANDATORY} == FIT_KEYS

    def of_term(name: str) -> dict[str, str]:
        arguments = [f"gap={{{name} --help}}", "atoms_filename=none.xyz", "default_sigma={1 1 1 1}"]
        text = subprocess.run([command, *arguments], capture_output=True, text=True, cwd=tmp_path).stdout
        code = f"from quippy.descriptors import Descriptor; Descriptor({name + ' --help'!r})"
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        return listed(text, "delta") | listed(shown.stdout + shown.stderr, "cutoff")

    assert of_term("soap") | {"Z": "0"} == SOAP_KEYS  # Z is printed only once the rest is right
    assert of_term("distance_2b") == DISTANCE_2B_KEYS
