"""GapConfig as the text of gap_fit's own settings file, and which of its keys only gap_fit uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from labkit.errors import LabkitError
from labkit.gap.keys import DISTANCE_2B_KEYS, FIT_KEYS, SOAP_KEYS
from labkit.gap.lexer import as_real, is_true
from labkit.gap.terms import OWN_SPARSE_METHODS, Distance2b, Soap

if TYPE_CHECKING:
    from labkit.gap.config import GapConfig

LABEL_KEYS = {
    "energy_key": "energy_parameter_name",
    "forces_key": "force_parameter_name",
    "virial_key": "virial_parameter_name",
    "stress_key": "stress_parameter_name",
}

#: Keys without effect on labkit's own fit: for gap_fit's files, printing and numerics, and for data that it refuses.
_HARMLESS = {
    "do_copy_atoms_file", "sparse_separate_file", "verbosity", "openmp_chunk_size", "do_ip_timing",
    "mpi_blocksize_rows", "mpi_blocksize_cols", "mpi_print_all", "template_file", "print_sparse_index",
    "unique_hash_tolerance", "unique_descriptor_tolerance", "condition_number_norm", "core_param_file",
    "linear_system_dump_file", "export_covariance", "default_local_property_sigma", "local_property0",
    "local_property_parameter_name", "local_property_mask_parameter_name", "hessian_parameter_name", "hessian_delta",
}  # fmt: skip

#: Keys that labkit's own fit follows.
_HONOURED = {
    "config_type_sigma", "config_type_parameter_name", "sigma_parameter_name", "sigma_per_atom",
    "force_mask_parameter_name", "e0_offset", "config_type_n_sparse", "theta_fac",
}  # fmt: skip

#: Keys that decide how gap_fit works, not what it fits; labkit's own fit says that it does not use them.
_NOTED = {
    "sparse_use_actual_gpcov", "sparsify_only_no_fit", "dryrun", "mark_sparse_atoms", "sparse_file", "xml_version",
}  # fmt: skip


def write(config: GapConfig) -> str:
    """The file's text; gap_fit does not support comments, so there are none."""
    lines = [f"atoms_filename={config.atoms_filename}", f"gp_file={config.gp_file}"]
    terms = "\n  : ".join(_term(d) for d in config.descriptors)
    lines.append(f"gap={{\n    {terms}\n}}")
    sigmas = (
        config.sigma_energy,
        config.sigma_force or 0.0,
        config.sigma_virial or 0.0,
        config.sigma_hessian,
    )
    lines.append(f"default_sigma={{{' '.join(map(repr, sigmas))}}}")
    if config.e0 is not None:
        lines.append(f"e0={_e0(config.e0)}")
    else:
        lines.append(f"e0_method={config.e0_method}")
    lines += [f"sparse_jitter={config.sparse_jitter!r}", f"rnd_seed={config.seed}"]
    for field, key in LABEL_KEYS.items():
        none = field == "forces_key" and config.sigma_force is None
        lines.append(f"{key}={'none' if none else getattr(config, field)}")
    lines += [f"{key}={_quoted(value)}" for key, value in config.other.items()]
    return "\n".join(lines) + "\n"


def ignored(config: GapConfig) -> list[str]:
    """Non-default settings that labkit's own fit does not use, as 'key=value'."""
    found = [f"{key}={value}" for key, value in _not_default(config.other, FIT_KEYS).items()]
    if config.sigma_hessian:
        found.append(f"sigma_hessian={config.sigma_hessian:g}")
    for d in config.descriptors:
        found += [f"{d.name}: {key}={value}" for key, value in _not_default(d.other, _known(d)).items()]
        if isinstance(d, Distance2b) and "config_type_n_sparse" in d.other:
            found.append(f"{d.name}: config_type_n_sparse={d.other['config_type_n_sparse']}")
        if isinstance(d, Soap) and d.sparse_method not in OWN_SPARSE_METHODS:
            found.append(f"{d.name}: sparse_method={d.sparse_method}")
    return found


def check_own_fit(config: GapConfig) -> None:
    """Raise LabkitError for settings that change what gap_fit fits and that labkit's own fit does not have."""
    groups = [("", config.other, FIT_KEYS), *((f"{d.name}: ", d.other, _known(d)) for d in config.descriptors)]
    for where, other, known in groups:
        for key, value in _not_default(other, known).items():
            if key not in _NOTED:
                raise LabkitError(
                    f"{where}{key}={value} changes what gap_fit fits, and labkit's own fit does not have it; remove "
                    "it, or use labkit.gap.quip.fit"
                )
    given = [kind for kind, sigmas in config.config_type_sigmas.items() if sigmas[2]]
    if given and config.sigma_virial is None:
        raise LabkitError(
            f"config_type_sigma gives a virial sigma for {given[0]!r}, but default_sigma has 0 for virials, with "
            "which labkit leaves them out; give a number above 0 there"
        )


def _known(d: Soap | Distance2b) -> Mapping[str, str]:
    return SOAP_KEYS if isinstance(d, Soap) else DISTANCE_2B_KEYS


def _e0(e0: Mapping[str, float] | float) -> str:
    if isinstance(e0, Mapping):
        return "{" + ":".join(f"{symbol}:{value!r}" for symbol, value in e0.items()) + "}"
    return repr(e0)


def _term(d: Soap | Distance2b) -> str:
    words = [d.name, f"covariance_type={'dot_product' if isinstance(d, Soap) else 'gaussian'}"]
    method = "pivot" if d.sparse_method == "fps" else d.sparse_method
    for field in (f.name for f in fields(d)):
        value = getattr(d, field)
        if field == "n_sparse" and "config_type_n_sparse" in d.other:
            continue  # gap_fit takes only one of them
        if value is not None and field not in ("other", "sparse_method", "centre", "species", "pair"):
            words.append(f"{field}={value!r}")
    words.append(f"sparse_method={method.upper()}")
    if isinstance(d, Soap) and d.species is not None:
        listed = " ".join(map(str, d.species))
        words.append(f"Z={d.centre} n_species={len(d.species)} species_Z={{{{{listed}}}}} add_species=F")
    if isinstance(d, Distance2b) and d.pair is not None:
        words.append(f"Z1={d.pair[0]} Z2={d.pair[1]} add_species=F")
    return " ".join([*words, *(f"{key}={_quoted(value)}" for key, value in d.other.items())])


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[^\s,:={}\"'#]+", value) else f"{{{value}}}"


def _not_default(other: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Keys that labkit's own fit has no part in, where their values are not gap_fit's defaults."""
    without = _HARMLESS | _HONOURED
    return {k: v for k, v in other.items() if k not in without and not _same(v, known[k])}


def _same(value: str, usual: str) -> bool:
    """Whether a value is the default, as gap_fit reads it."""
    if usual in ("T", "F"):
        return is_true(value) == is_true(usual)
    number = as_real(usual)
    return value.lower() == usual.lower() if number is None else as_real(value) == number
