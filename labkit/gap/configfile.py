"""Read gap_fit's settings file, with errors that name the line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.datasets import DatasetWarning
from labkit.errors import LabkitError, suggest
from labkit.gap.configtext import LABEL_KEYS
from labkit.gap.keys import ALIASES, DISTANCE_2B_KEYS, FIT_KEYS, MANDATORY, OTHER_DESCRIPTORS, SOAP_KEYS
from labkit.gap.lexer import Entry, Source, as_real, is_true, split_terms, tokens
from labkit.gap.terms import Distance2b, SettingError, Soap

if TYPE_CHECKING:
    from labkit.gap.config import GapConfig


def read(kind: type[GapConfig], path: str | os.PathLike[str]) -> GapConfig:
    """Settings of this kind from a file that gap_fit takes as config_file=..."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise LabkitError(f"{path}: no such file; expected settings of gap_fit") from error
    except (OSError, UnicodeDecodeError) as error:
        raise LabkitError(f"{path}: could not be read as text ({error})") from error
    return parse(kind, text, str(path))


def parse(kind: type[GapConfig], text: str, name: str) -> GapConfig:
    """Settings from text: `key=value`, values in quotes or braces, `#` comments, lines joined by a backslash."""
    source = Source(name)
    entries = _collect(tokens(text, source), FIT_KEYS, source)
    for key in ("gap", "default_sigma"):
        if key not in entries:
            raise source.error(f"{key} is missing, and gap_fit has no default for it; add {_EXAMPLES[key]}")
    prefix = entries["parameter_name_prefix"].value if "parameter_name_prefix" in entries else ""
    values: dict[str, object] = {
        "descriptors": tuple(_descriptors(entries["gap"], source)),
        "e0_method": FIT_KEYS["e0_method"],
        "sparse_jitter": float(FIT_KEYS["sparse_jitter"]),
        "gp_file": FIT_KEYS["gp_file"],
        "seed": int(FIT_KEYS["rnd_seed"]),
    }
    for field, key in LABEL_KEYS.items():
        name = entries[key].value if key in entries else FIT_KEYS[key]
        values[field] = "none" if name.lower() == "none" else prefix + name
    forces = _used("force_parameter_name", entries)
    values |= _sigmas(entries["default_sigma"], forces, source)
    if not forces:
        values["forces_key"] = "forces"
    if not _used("virial_parameter_name", entries) and not _used("stress_parameter_name", entries):
        values["sigma_virial"] = None
    if "e0" in entries:
        if "e0_method" in entries and entries["e0_method"].value.lower() != "isolated":
            other = entries["e0_method"]
            raise source.error(
                f"e0 is given, so e0_method={other.value} has nothing to determine; remove one", other.line
            )
        values["e0"] = _e0(entries["e0"], source)
    elif "e0_method" in entries:
        values["e0_method"] = entries["e0_method"].value.lower()
    for key in ("atoms_filename", "gp_file"):
        if key in entries:
            values[key] = entries[key].value
    if "sparse_jitter" in entries:
        values["sparse_jitter"] = _real(entries["sparse_jitter"], source)
    if "rnd_seed" in entries:
        values["seed"] = _real(entries["rnd_seed"], source)
    taken = {*LABEL_KEYS.values(), *kind.gap_fit_names, *kind.__dataclass_fields__}
    values["other"] = {key: entry.value for key, entry in entries.items() if key not in taken}
    if prefix:
        values["other"] |= {key: prefix + values["other"].get(key, FIT_KEYS[key]) for key in _PREFIXED}
    return _build(kind, values, entries, entries["gap"].line, source)


def _used(key: str, entries: Mapping[str, Entry]) -> bool:
    return key not in entries or entries[key].value.lower() != "none"


def _collect(found: Iterator[Entry], known: Mapping[str, str], source: Source, what: str = "") -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    spelled = {key.lower(): key for key in (*known, *ALIASES)}  # gap_fit does not look at the case of keys
    for entry in found:
        if not entry.key:
            named = spelled.get(entry.value.lower(), "")
            if known.get(ALIASES.get(named, named)) not in ("T", "F"):
                raise source.error(f"{what}found {entry.value!r}, expected key=value", entry.line)
            entry = Entry(entry.value, "T", entry.line)  # a logical without a value is true
        key = spelled.get(entry.key.lower(), entry.key)
        key = ALIASES.get(key, key)
        if key not in known:
            options = [*known, *(alias for alias, meant in ALIASES.items() if meant in known)]
            elsewhere = "" if known is not FIT_KEYS or key not in SOAP_KEYS else "; it belongs inside gap={...}"
            hint = elsewhere or suggest(entry.key, options)
            raise source.error(f"{what}unknown key {entry.key!r}{hint}", entry.line)
        if key in entries:
            before = entries[key]
            raise source.error(
                f"{what}{entry.key} is given again (first on line {before.line} as {before.key}); keep one",
                entry.line,
            )
        entries[key] = entry
    return entries


def _descriptors(gap: Entry, source: Source) -> Iterator[Soap | Distance2b]:
    line = gap.line
    for part in split_terms(gap.value):
        words = tokens(part, source, line)
        kind = next(words, Entry("", "", line))
        kind = kind if kind.key else kind._replace(value=kind.value.lower())
        if kind.key or kind.value not in (Soap.name, Distance2b.name):
            found = kind.key or kind.value
            if found in map(str.lower, OTHER_DESCRIPTORS):
                raise source.error(f"labkit has no {found}, only soap and distance_2b; use gap_fit for it", kind.line)
            hint = suggest(found, (Soap.name, Distance2b.name))
            raise source.error(f"gap={{...}} begins with {found!r}, expected soap or distance_2b{hint}", kind.line)
        yield _descriptor(kind, words, source)
        line += part.count("\n")


def _descriptor(kind: Entry, words: Iterator[Entry], source: Source) -> Soap | Distance2b:
    soap = kind.value == Soap.name
    term, known = (Soap, SOAP_KEYS) if soap else (Distance2b, DISTANCE_2B_KEYS)
    entries = _collect(words, known, source, f"{kind.value}: ")
    both = [entries[key] for key in ("n_sparse", "config_type_n_sparse") if key in entries]
    if len(both) == 2:
        raise source.error(
            f"{kind.value}: n_sparse and config_type_n_sparse are both given, and gap_fit takes only one; remove one",
            both[1].line,
        )
    for key, default in known.items():
        if key == "n_sparse" and both:
            continue
        if key not in entries and (default == MANDATORY or key in ("cutoff", "n_sparse")):
            raise source.error(f"{kind.value}: {key} is missing; add {key}={_EXAMPLES.get(key, '...')}", kind.line)
    kernels = ("dot_product",) if soap else ("gaussian", "ard_se")
    kernel = entries["covariance_type"]
    if kernel.value.lower() not in kernels:
        raise source.error(
            f"{kind.value}: covariance_type is {kernel.value!r}, expected {' or '.join(kernels)}", kernel.line
        )
    values: dict[str, object] = {}
    for field in (f.name for f in fields(term)):
        if field in entries and field not in ("sparse_method", "other"):
            values[field] = _real(entries[field], source)
        elif field in known:
            default = known[field]
            values[field] = default if field == "sparse_method" else float(default)
    if "sparse_method" in entries:
        values["sparse_method"] = entries["sparse_method"].value
    method = str(values["sparse_method"]).lower()
    if method in ("file", "index_file") and "sparse_file" not in entries:
        raise source.error(f"{kind.value}: sparse_method={method} needs sparse_file=...", entries["sparse_method"].line)
    if not soap and "theta_uniform" not in entries:
        values["theta_uniform"] = None
    values |= _species(entries, kind, source)
    values["other"] = {
        key: " ".join(entry.value.split())
        for key, entry in entries.items()
        if key not in values and key not in term.gap_fit_names
    }
    return _build(term, values, entries, kind.line, source)


def _species(entries: Mapping[str, Entry], kind: Entry, source: Source) -> dict[str, object]:
    """`centre` and `species` of a soap, `pair` of a distance_2b, where the term is for these only."""
    keys = [key for key in ("Z", "species_Z", "n_species", "Z1", "Z2") if key in entries]
    every = "add_species" not in entries or is_true(entries["add_species"].value)
    needed = ("Z", "species_Z") if kind.value == Soap.name else ("Z1", "Z2")
    if every and not keys:
        return {}
    if every and "add_species" in entries:  # as in gap_fit, which stops if the data have other species
        warnings.warn(
            f"{kind.value}: {', '.join(keys)} without effect, as add_species takes all species of the data; "
            "use add_species=F for some of them",
            DatasetWarning,
            stacklevel=2,
        )
        return {}
    if every:
        entry = entries[keys[0]]
        raise source.error(
            f"{kind.value}: {keys[0]} is given, but add_species=F is not; add it, or drop both", entry.line
        )
    for key in needed:
        if key not in entries:
            raise source.error(f"{kind.value}: add_species=F needs {' and '.join(needed)}", entries["add_species"].line)
    if kind.value == Distance2b.name:
        return {"pair": tuple(_integer(entries[key].value, entries[key], source) for key in needed)}
    listed = entries["species_Z"]
    species = tuple(_integer(z, listed, source) for z in listed.value.strip("{} ").split())
    if "n_species" in entries and _real(entries["n_species"], source) != len(species):
        entry = entries["n_species"]
        raise source.error(f"soap: n_species is {entry.value}, but species_Z lists {len(species)}", entry.line)
    return {"centre": _integer(entries["Z"].value, entries["Z"], source), "species": species}


def _build(kind: type, values: Mapping[str, object], entries: Mapping[str, Entry], line: int, source: Source):
    try:
        return kind(**values)
    except SettingError as error:
        key = (LABEL_KEYS | _KEYS_OF).get(error.key, error.key)
        where = entries[key].line if key in entries else line
        raise source.error(str(error), where) from error


def _sigmas(entry: Entry, forces: bool, source: Source) -> dict[str, float | None]:
    numbers = [_real(Entry(entry.key, word, entry.line), source) for word in entry.value.replace(",", " ").split()]
    if len(numbers) != 4:
        raise source.error(
            f"{entry.key} has {len(numbers)} numbers, expected 4: energy, force, virial, hessian", entry.line
        )
    energy, force, virial, hessian = numbers
    for what, value, allowed in (("energy", energy, False), ("force", force, not forces)):
        if value < 0 or (value == 0 and not allowed):
            hint = "; or leave forces out with force_parameter_name=none" if what == "force" else ""
            raise source.error(
                f"{entry.key}: the sigma of {what} is {value:g}, expected a number above 0 "
                f"(gap_fit ends without a model when it is 0){hint}",
                entry.line,
            )
    for what, value in (("virial", virial), ("hessian", hessian)):
        if value < 0:
            raise source.error(
                f"{entry.key}: the sigma of {what} is {value:g}, expected 0 (not used) or more", entry.line
            )
    return {
        "sigma_energy": energy,
        "sigma_force": force if forces else None,
        "sigma_virial": virial or None,
        "sigma_hessian": hessian,
    }


def _e0(entry: Entry, source: Source) -> dict[str, float] | float:
    words = [word.strip() for word in entry.value.strip("{} ").split(":")]
    if len(words) == 1 and (value := as_real(words[0])) is not None:
        return value  # of all species
    if len(words) % 2 or len(words) < 2:
        raise source.error(
            f"e0 is {entry.value!r}, expected symbols and eV, for example e0={{H:-13.6:O:-430.0}}, or one number",
            entry.line,
        )
    e0: dict[str, float] = {}
    for symbol, value in zip(words[::2], words[1::2], strict=True):
        if symbol in e0:
            raise source.error(f"e0 names {symbol} twice; keep one", entry.line)
        e0[symbol] = _real(Entry(f"e0 of {symbol}", value, entry.line), source)
    return e0


def _real(entry: Entry, source: Source) -> float:
    value = as_real(entry.value)
    if value is None:
        raise source.error(f"{entry.key} is {entry.value!r}, expected a number", entry.line)
    return value


def _integer(text: str, entry: Entry, source: Source) -> int:
    number = _real(Entry(entry.key, text, entry.line), source)
    if number != int(number):
        raise source.error(f"{entry.key} is {text!r}, expected an atomic number", entry.line)
    return int(number)


#: Names of data that parameter_name_prefix is put before, besides those of the labels.
_PREFIXED = (
    "local_property_parameter_name", "hessian_parameter_name", "config_type_parameter_name", "sigma_parameter_name",
    "force_mask_parameter_name", "local_property_mask_parameter_name",
)  # fmt: skip

#: Keys in the file whose settings have another name here, for errors.
_KEYS_OF = {"centre": "Z", "species": "species_Z", "pair": "Z1", "seed": "rnd_seed"}

_EXAMPLES = {
    "gap": "gap={soap cutoff=4.0 n_max=8 l_max=6 ...}",
    "default_sigma": "default_sigma={0.001 0.1 0.1 0} (energy, force, virial, hessian)",
    "cutoff": "4.0",
    "n_sparse": "400",
    "delta": "1.0",
    "n_max": "8",
    "l_max": "6",
    "atom_sigma": "0.3",
    "covariance_type": "dot_product (soap) or covariance_type=gaussian (distance_2b)",
}
