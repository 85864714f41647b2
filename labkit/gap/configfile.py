"""gap_fit's own settings file: reading it with errors that name the line, and writing it back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from labkit.errors import LabkitError, suggest
from labkit.gap.config import GapConfig
from labkit.gap.keys import ALIASES, DISTANCE_2B_KEYS, FIT_KEYS, MANDATORY, OTHER_DESCRIPTORS, SOAP_KEYS
from labkit.gap.terms import OWN_SPARSE_METHODS, Distance2b, SettingError, Soap

#: Keys that change nothing in labkit's own fit, as they are about gap_fit's files, printing and numerics.
_HARMLESS = {
    "do_copy_atoms_file", "sparse_separate_file", "verbosity", "openmp_chunk_size", "do_ip_timing",
    "mpi_blocksize_rows", "mpi_blocksize_cols", "mpi_print_all", "template_file", "print_sparse_index",
    "unique_hash_tolerance", "unique_descriptor_tolerance", "condition_number_norm", "linear_system_dump_file",
}  # fmt: skip


class Entry(NamedTuple):
    """One `key=value` and the line where its value begins."""

    key: str
    value: str
    line: int


class _Source(NamedTuple):
    """What is being read, for errors."""

    name: str

    def error(self, message: str, line: int | None = None) -> LabkitError:
        return LabkitError(f"{self.name}{'' if line is None else f', line {line}'}: {message}")


def read(path: str | os.PathLike[str]) -> GapConfig:
    """Read a file that gap_fit takes as config_file=..."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise LabkitError(f"{path}: there is no such file; expected settings of gap_fit") from error
    except (OSError, UnicodeDecodeError) as error:
        raise LabkitError(f"{path}: could not be read as text ({error})") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> GapConfig:
    """Settings from text: `key=value` pairs, values in quotes or braces, `#` comments, lines joined by a backslash."""
    source = _Source(name)
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
    for field, key in _NAMES.items():
        values[field] = prefix + (entries[key].value if key in entries else FIT_KEYS[key])
    forces = "force_parameter_name" not in entries or entries["force_parameter_name"].value.lower() != "none"
    values |= _sigmas(entries["default_sigma"], forces, source)
    if not forces:
        values["forces_key"] = "forces"
    if "e0" in entries:
        if "e0_method" in entries and entries["e0_method"].value.lower() != "isolated":
            other = entries["e0_method"]
            raise source.error(
                f"e0 is given, so e0_method={other.value} has nothing to find; remove one", other.line
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
    taken = {*_NAMES.values(), *GapConfig.gap_fit_names, *GapConfig.__dataclass_fields__}
    values["other"] = {key: entry.value for key, entry in entries.items() if key not in taken}
    return _build(GapConfig, values, entries, entries["gap"].line, source)


def write(config: GapConfig) -> str:
    """The file's text. gap_fit knows no comments, so there are none."""
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
        lines.append("e0={" + ":".join(f"{symbol}:{value!r}" for symbol, value in config.e0.items()) + "}")
    else:
        lines.append(f"e0_method={config.e0_method}")
    lines += [f"sparse_jitter={config.sparse_jitter!r}", f"rnd_seed={config.seed}"]
    for field, key in _NAMES.items():
        none = field == "forces_key" and config.sigma_force is None
        lines.append(f"{key}={'none' if none else getattr(config, field)}")
    lines += [f"{key}={_quoted(value)}" for key, value in config.other.items()]
    return "\n".join(lines) + "\n"


def ignored(config: GapConfig) -> list[str]:
    """Settings other than the default that labkit's own fit does not act upon, as 'key=value'."""
    found = _not_default(config.other, FIT_KEYS)
    if config.sigma_hessian:
        found.append(f"sigma_hessian={config.sigma_hessian:g}")
    for d in config.descriptors:
        known = SOAP_KEYS if isinstance(d, Soap) else DISTANCE_2B_KEYS
        found += [f"{d.name}: {text}" for text in _not_default(d.other, known)]
        if isinstance(d, Soap) and d.sparse_method not in OWN_SPARSE_METHODS:
            found.append(f"{d.name}: sparse_method={d.sparse_method}")
    return found


def tokens(text: str, source: _Source, line: int = 1) -> Iterator[Entry]:
    """Split text into entries; a word without '=' comes with an empty key."""
    text = re.sub(r"\\[ \t]*$", lambda m: " " * len(m[0]), _without_comments(text), flags=re.M)
    place = 0
    word = re.compile(r"[^\s,={}\"']+")
    while place < len(text):
        if text[place].isspace() or text[place] == ",":
            line += text[place] == "\n"
            place += 1
            continue
        found = word.match(text, place)
        if not found:
            raise source.error(f"found {text[place]!r}, expected key=value", line)
        key, place = found[0], found.end()
        equals = re.compile(r"\s*=[ \t]*").match(text, place)
        if not equals:
            yield Entry("", key, line)
            continue
        line += equals[0].count("\n")
        value, end = _value(text, equals.end(), key, source, line)
        yield Entry(key, value, line)
        line += text.count("\n", equals.end(), end)
        place = end


def _value(text: str, place: int, key: str, source: _Source, line: int) -> tuple[str, int]:
    """The value that begins at `place`, without its quotes or outer braces, and where it ends."""
    opening = text[place : place + 1]
    if opening == "{":
        depth = 0
        for end in range(place, len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                return text[place + 1 : end], end + 1
        raise source.error(f"the brace opened after {key}= is never closed; add '}}'", line)
    if opening in ("'", '"'):
        end = text.find(opening, place + 1)
        if end < 0:
            raise source.error(f"the quote opened after {key}= is never closed; add {opening}", line)
        inner = text[place + 1 : end]
        braced = inner.strip().startswith("{") and inner.strip().endswith("}")
        return (inner.replace("{", " ", 1)[::-1].replace("}", " ", 1)[::-1] if braced else inner), end + 1
    end = re.compile(r"[^\s,]*").match(text, place).end()  # type: ignore[union-attr]
    return text[place:end], end


def _without_comments(text: str) -> str:
    """Blank out what follows a '#' that begins a word outside quotes."""
    kept, quote = [], ""
    for line in text.split("\n"):
        for i, character in enumerate(line):
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character == "#" and (i == 0 or line[i - 1].isspace() or line[i - 1] in "{}"):
                line = line[:i]
                break
        kept.append(line)
    return "\n".join(kept)


def _collect(
    found: Iterator[Entry], known: Mapping[str, str], source: _Source, what: str = ""
) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for entry in found:
        if not entry.key:
            raise source.error(f"{what}found {entry.value!r}, expected key=value", entry.line)
        key = ALIASES.get(entry.key, entry.key)
        if key not in known:
            options = [*known, *(alias for alias, meant in ALIASES.items() if meant in known)]
            elsewhere = (
                "" if known is not FIT_KEYS or key not in SOAP_KEYS else "; it belongs inside gap={...}"
            )
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


def _descriptors(gap: Entry, source: _Source) -> Iterator[Soap | Distance2b]:
    line = gap.line
    for part in _split(gap.value):
        words = tokens(part, source, line)
        kind = next(words, Entry("", "", line))
        if kind.key or kind.value not in (Soap.name, Distance2b.name):
            found = kind.key or kind.value
            if found in OTHER_DESCRIPTORS:
                raise source.error(
                    f"labkit has no {found}, only soap and distance_2b; use gap_fit for it", kind.line
                )
            hint = suggest(found, (Soap.name, Distance2b.name))
            raise source.error(
                f"gap={{...}} begins with {found!r}, expected soap or distance_2b{hint}", kind.line
            )
        yield _descriptor(kind, words, source)
        line += part.count("\n")


def _descriptor(kind: Entry, words: Iterator[Entry], source: _Source) -> Soap | Distance2b:
    soap = kind.value == Soap.name
    term, known = (Soap, SOAP_KEYS) if soap else (Distance2b, DISTANCE_2B_KEYS)
    entries = _collect(words, known, source, f"{kind.value}: ")
    for key, default in known.items():
        if key not in entries and (default == MANDATORY or key in ("cutoff", "n_sparse")):
            raise source.error(
                f"{kind.value}: {key} is missing; add {key}={_EXAMPLES.get(key, '...')}", kind.line
            )
    kernels = ("dot_product",) if soap else ("gaussian", "ard_se")
    kernel = entries["covariance_type"]
    if kernel.value.lower() not in kernels:
        raise source.error(
            f"{kind.value}: covariance_type is {kernel.value!r}, expected {' or '.join(kernels)}", kernel.line
        )
    values: dict[str, object] = {}
    for field in term.__dataclass_fields__:
        if field in entries and field not in ("sparse_method", "other"):
            values[field] = _real(entries[field], source)
        elif field in known:
            default = known[field]
            values[field] = default if field == "sparse_method" else float(default)
    if "sparse_method" in entries:
        values["sparse_method"] = entries["sparse_method"].value
    method = str(values["sparse_method"]).lower()
    if method in ("file", "index_file") and "sparse_file" not in entries:
        raise source.error(
            f"{kind.value}: sparse_method={method} needs sparse_file=...", entries["sparse_method"].line
        )
    if not soap and "theta_uniform" not in entries:
        values["theta_uniform"] = None
    values |= _species(entries, kind, source)
    values["other"] = {
        key: " ".join(entry.value.split())
        for key, entry in entries.items()
        if key not in values and key not in term.gap_fit_names
    }
    return _build(term, values, entries, kind.line, source)


def _species(entries: Mapping[str, Entry], kind: Entry, source: _Source) -> dict[str, object]:
    """`centre` and `species` of a soap, `pair` of a distance_2b, from the keys of a term for one species only."""
    keys = [key for key in ("Z", "species_Z", "n_species", "Z1", "Z2") if key in entries]
    every = "add_species" not in entries or entries["add_species"].value.strip(".").upper()[:1] == "T"
    needed = ("Z", "species_Z") if kind.value == Soap.name else ("Z1", "Z2")
    if every and not keys:
        return {}
    if every:
        entry = entries[keys[0]]
        raise source.error(
            f"{kind.value}: {keys[0]} is given, but add_species=F is not; add it, or drop both", entry.line
        )
    for key in needed:
        if key not in entries:
            raise source.error(
                f"{kind.value}: add_species=F needs {' and '.join(needed)}", entries["add_species"].line
            )
    if kind.value == Distance2b.name:
        return {"pair": tuple(_whole(entries[key].value, entries[key], source) for key in needed)}
    listed = entries["species_Z"]
    species = tuple(_whole(z, listed, source) for z in listed.value.split())
    if "n_species" in entries and _real(entries["n_species"], source) != len(species):
        entry = entries["n_species"]
        raise source.error(
            f"soap: n_species is {entry.value}, but species_Z lists {len(species)}", entry.line
        )
    return {"centre": _whole(entries["Z"].value, entries["Z"], source), "species": species}


def _build(
    kind: type, values: Mapping[str, object], entries: Mapping[str, Entry], line: int, source: _Source
):
    try:
        return kind(**values)
    except SettingError as error:
        key = _NAMES.get(
            error.key,
            {"centre": "Z", "species": "species_Z", "pair": "Z1", "seed": "rnd_seed"}.get(
                error.key, error.key
            ),
        )
        where = entries[key].line if key in entries else line
        raise source.error(str(error), where) from error


def _sigmas(entry: Entry, forces: bool, source: _Source) -> dict[str, float | None]:
    numbers = [
        _real(Entry(entry.key, word, entry.line), source) for word in entry.value.replace(",", " ").split()
    ]
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


def _e0(entry: Entry, source: _Source) -> dict[str, float]:
    words = [word.strip() for word in entry.value.split(":")]
    if len(words) % 2 or len(words) < 2:
        raise source.error(
            f"e0 is {entry.value!r}, expected symbols and eV, for example e0={{H:-13.6:O:-430.0}}", entry.line
        )
    e0: dict[str, float] = {}
    for symbol, value in zip(words[::2], words[1::2], strict=True):
        if symbol in e0:
            raise source.error(f"e0 names {symbol} twice; keep one", entry.line)
        e0[symbol] = _real(Entry(f"e0 of {symbol}", value, entry.line), source)
    return e0


def _real(entry: Entry, source: _Source) -> float:
    try:
        return float(re.sub(r"(?<=[\d.])[dD](?=[+-]?\d)", "e", entry.value))  # Fortran's 1.0d-3
    except ValueError:
        raise source.error(f"{entry.key} is {entry.value!r}, expected a number", entry.line) from None


def _whole(text: str, entry: Entry, source: _Source) -> int:
    number = _real(Entry(entry.key, text, entry.line), source)
    if number != int(number):
        raise source.error(f"{entry.key} is {text!r}, expected an atomic number", entry.line)
    return int(number)


def _split(text: str) -> list[str]:
    """Split at the colons that stand outside braces and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        depth += (character == "{") - (character == "}")
        if character == ":" and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _term(d: Soap | Distance2b) -> str:
    words = [d.name, f"covariance_type={'dot_product' if isinstance(d, Soap) else 'gaussian'}"]
    method = "pivot" if d.sparse_method == "fps" else d.sparse_method
    for field in d.__dataclass_fields__:
        value = getattr(d, field)
        if value is not None and field not in ("other", "sparse_method", "centre", "species", "pair"):
            words.append(f"{field}={value!r}")
    words.append(f"sparse_method={method.upper()}")
    if isinstance(d, Soap) and d.species is not None:
        listed = " ".join(map(str, d.species))
        words.append(f"Z={d.centre} n_species={len(d.species)} species_Z={{{listed}}} add_species=F")
    if isinstance(d, Distance2b) and d.pair is not None:
        words.append(f"Z1={d.pair[0]} Z2={d.pair[1]} add_species=F")
    return " ".join([*words, *(f"{key}={_quoted(value)}" for key, value in d.other.items())])


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[^\s,:={}\"'#]+", value) else f"{{{value}}}"


def _not_default(other: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    def same(a: str, b: str) -> bool:
        try:
            return float(a) == float(b)
        except ValueError:
            return a.strip(".").lower() in (b.lower(), {"t": "true", "f": "false"}.get(b.lower()))

    return [f"{k}={v}" for k, v in other.items() if k not in _HARMLESS and not same(v, known[k])]


_NAMES = {
    "energy_key": "energy_parameter_name",
    "forces_key": "force_parameter_name",
    "virial_key": "virial_parameter_name",
    "stress_key": "stress_parameter_name",
}

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
