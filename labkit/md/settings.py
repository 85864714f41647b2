"""The keys of a run file, and their checks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError, suggest

Check = Callable[[Any], Any]  # returns the converted value, or raises ValueError


def _number(least: float = -math.inf, *, above: bool = False) -> Check:
    def check(value: Any) -> float:
        number = math.nan if isinstance(value, bool) else float(value)  # YAML takes 1e-3 for text
        if not math.isfinite(number) or number < least or (above and number == least):
            raise ValueError
        return number

    return check


def _whole(least: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or int(float(value)) != float(value) or float(value) < least:
            raise ValueError
        return int(float(value))

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    return tuple(_text(name).lower() for name in ([value] if isinstance(value, str) else list(value)))


def _one_of(*options: str) -> Check:
    def check(value: Any) -> str:
        if value not in options:
            raise ValueError
        return value

    return check


def _external(value: Any) -> External:
    if not isinstance(value, dict):
        raise ValueError
    for key in value:
        if key not in ("module", "embeddings", "file"):
            known = ["module", "embeddings", "file"]
            raise LabkitError(f"external: unknown key {key!r}{suggest(str(key), known)}; known: {', '.join(known)}")
    embeddings = value.get("embeddings")
    if embeddings is not None:
        embeddings = tuple(_whole(0)(number) for number in embeddings)
    found = {key: _text(value[key]) for key in ("module", "file") if value.get(key) is not None}
    if not found:
        raise ValueError
    return External(**found, embeddings=embeddings)


@dataclass(frozen=True)
class External:
    """An external potential: labkit's own model (`file`), or `External(file, embeddings, device)` of a module."""

    module: str = "labkit"
    file: str | None = None
    embeddings: tuple[int, ...] | None = None


def _key(check: Check, expected: str, default: Any = None) -> Any:
    return field(default=default, metadata={"check": check, "expected": expected})


@dataclass(frozen=True)
class RunSettings:
    """One run, in the units of TorchMD's files. Missing keys have the defaults given here.

    Without `forceterms` all terms of the force field are used. `langevin_temperature` 0 is dynamics at constant
    energy. `output_period` is the interval between frames and between rows of monitor.csv, `save_period` that of
    checkpoints (10 output periods), both in steps. An `output` that ends with .xtc is an XTC file, otherwise a
    DCD file is written.

    >>> given = {"steps": "100", "structure": "water.pdb", "forcefield": "water.yaml"}
    >>> RunSettings.from_dict(given, "run.yaml").steps
    100
    """

    timestep: float = _key(_number(0.0, above=True), "a time in fs above 0, such as 1", 1.0)
    temperature: float = _key(_number(0.0), "a temperature in K from 0, such as 300", 300.0)
    langevin_temperature: float = _key(_number(0.0), "a temperature in K, or 0 for none", 0.0)
    langevin_gamma: float = _key(_number(0.0), "a friction in 1/ps, such as 0.1", 0.1)
    device: str = _key(_text, "a device, such as cpu or cuda:0", "cpu")
    topology: str | None = _key(_text, "a psf, prmtop, pdb or xyz file")
    coordinates: str | None = _key(_text, "a pdb, xyz, coor or inpcrd file")
    structure: str | None = _key(_text, "a pdb or xyz file for both topology and coordinates")
    forcefield: str | None = _key(_text, "a TorchMD YAML file, or an AMBER prmtop")
    forceterms: tuple[str, ...] | None = _key(_names, "a list of terms, such as [bonds, angles, lj]")
    cutoff: float | None = _key(_number(0.0, above=True), "a distance in Å above 0, such as 9")
    switch_dist: float | None = _key(_number(0.0), "a distance in Å below the cutoff, such as 7.5")
    rfa: bool = _key(_flag, "true or false", False)
    exclusions: tuple[str, ...] | None = _key(_names, "a list of bonds, angles, 1-4")
    replicas: int = _key(_whole(1), "a whole number from 1", 1)
    extended_system: str | None = _key(_text, "an xsc file")
    minimize: int | None = _key(_whole(0), "a number of steps, such as 500")
    external: External | None = _key(_external, "module, embeddings and file, such as {file: model.safetensors}")
    precision: str = _key(_one_of("single", "double"), "single or double", "double")
    seed: int = _key(_whole(0), "a whole number from 0", 1)
    steps: int = _key(_whole(0), "a whole number of steps from 0", 10000)
    output: str = _key(_text, "the name of the trajectory, such as output", "output")
    output_period: int = _key(_whole(1), "a whole number of steps from 1", 10)
    save_period: int = _key(_whole(0), "a whole number of steps, or 0 for 10 output periods", 0)
    log_dir: str = _key(_text, "a folder", ".")

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> RunSettings:
        """Raise LabkitError, naming `where` and the key, for an unknown key or an invalid value."""
        known = {f.name: f.metadata for f in fields(cls)}
        found = {}
        for key, value in values.items():
            if key not in known:
                hint = suggest(str(key), known) or f"; known: {', '.join(known)}"
                raise LabkitError(f"{where}: unknown key {key!r}{hint}")
            if value is None:
                continue
            try:
                found[key] = known[key]["check"](value)
            except LabkitError as error:
                raise LabkitError(f"{where}: {error}") from error
            except (ValueError, TypeError, OverflowError) as error:
                raise LabkitError(f"{where}: {key} is {value!r}, expected {known[key]['expected']}") from error
        settings = cls(**found)
        settings._check(where)
        return settings

    @classmethod
    def read(cls, path: str | Path) -> RunSettings:
        """The settings of a file; raises LabkitError if it cannot be read or is not YAML."""
        try:
            import yaml
        except ImportError as error:
            raise LabkitError('PyYAML is not installed; run: pip install "labkit[forcefield]"') from error
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise LabkitError(f"{path}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise LabkitError(f"{path}: not YAML: {error}") from error
        if not isinstance(content, dict):
            raise LabkitError(f"{path}: expected keys and values, such as 'steps: 1000'; found {content!r:.60}")
        return cls.from_dict(content, str(path))

    @property
    def checkpoint_period(self) -> int:
        return self.save_period or 10 * self.output_period

    def _check(self, where: str) -> None:
        if self.forcefield is None and self.external is None:
            raise LabkitError(f"{where}: neither forcefield nor external is given; give one for the forces")
        if self.topology is None and self.structure is None:
            raise LabkitError(f"{where}: neither topology nor structure is given; give one for the atoms")
        if self.coordinates is None and self.structure is None:
            raise LabkitError(f"{where}: neither coordinates nor structure is given; give one for the positions")
        if self.cutoff is None and (self.rfa or self.switch_dist is not None):
            raise LabkitError(f"{where}: {'rfa' if self.rfa else 'switch_dist'} needs a cutoff, such as cutoff: 9")
        if self.switch_dist is not None and self.switch_dist >= self.cutoff:
            raise LabkitError(f"{where}: switch_dist is {self.switch_dist}, not below the cutoff of {self.cutoff} Å")
