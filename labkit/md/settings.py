"""The keys of a run file, and their checks."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.forcefield.torchmd.yaml_file import parse_yaml, yaml_text
from labkit.md.checks import checked, files, flag, key, names, number, one_of, text, whole
from labkit.md.external import External


def _exclusions(value: Any) -> tuple[str, ...]:
    """As names; TorchMD's run files also have Python's tuples as text, such as ('bonds', 'angles')."""
    return tuple(re.findall(r"[\w-]+", value.lower())) if isinstance(value, str) else names(value)


@dataclass(frozen=True)
class RunSettings:
    """One run, in the units of TorchMD's files. Missing keys have the defaults given here.

    Without `forceterms` all terms of the force field are used. `langevin_temperature` 0 is dynamics at constant
    energy. `output_period` is the interval between frames and between rows of monitor.csv, `save_period` that of
    checkpoints (10 output periods), both in steps. An `output` that ends with .xtc is an XTC file, otherwise a
    DCD file is written. Keys that name structures take one file or a list: the bonds and types come from the first
    that has them, each replica starts from a frame of its own where there are as many frames as replicas.

    >>> given = {"steps": "100", "structure": "water.pdb", "forcefield": "water.yaml"}
    >>> RunSettings.from_dict(given, "run.yaml").steps
    100
    """

    timestep: float = key(number(0.0, above=True), "a time in fs above 0, such as 1", 1.0)
    temperature: float = key(number(0.0), "a temperature in K from 0, such as 300", 300.0)
    langevin_temperature: float = key(number(0.0), "a temperature in K, or 0 for none", 0.0)
    langevin_gamma: float = key(number(0.0), "a friction in 1/ps, such as 0.1", 0.1)
    device: str = key(text, "a device, such as cpu or cuda:0", "cpu")
    topology: tuple[str, ...] | None = key(files, "a psf, prmtop, pdb or xyz file, or a list of files")
    coordinates: tuple[str, ...] | None = key(files, "a pdb, xyz, coor, inpcrd or xtc file, or a list of files")
    structure: tuple[str, ...] | None = key(files, "a pdb or xyz file for topology and coordinates, or a list")
    forcefield: str | None = key(text, "a TorchMD YAML, CHARMM prm, AMBER frcmod or prmtop file")
    forceterms: tuple[str, ...] | None = key(names, "a list of terms, such as [bonds, angles, lj]")
    cutoff: float | None = key(number(0.0, above=True), "a distance in Å above 0, such as 9")
    switch_dist: float | None = key(number(0.0), "a distance in Å below the cutoff, such as 7.5")
    rfa: bool = key(flag, "true or false", False)
    exclusions: tuple[str, ...] | None = key(_exclusions, "a list of bonds, angles, 1-4")
    replicas: int = key(whole(1), "a whole number from 1", 1)
    extended_system: str | None = key(text, "an xsc file")
    minimize: int | None = key(whole(0), "a number of steps, such as 500")
    external: External | None = key(External.of, "module, embeddings and file, such as {file: model.safetensors}")
    precision: str = key(one_of("single", "double"), "single or double", "double")
    seed: int = key(whole(0), "a whole number from 0", 1)
    steps: int = key(whole(0), "a whole number of steps from 0", 10000)
    output: str = key(text, "the name of the trajectory, such as output", "output")
    output_period: int = key(whole(1), "a whole number of steps from 1", 10)
    save_period: int = key(whole(0), "a whole number of steps, or 0 for 10 output periods", 0)
    log_dir: str = key(text, "a folder", ".")
    npz_file: str | None = key(text, "an npz file with coord and z, of atoms without a topology")

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> RunSettings:
        """Raise LabkitError, naming `where` and the key, for an unknown key or an invalid value."""
        found = checked(values, {f.name: f.metadata for f in fields(cls)}, where)
        settings = cls(**found)
        settings._check(where)
        return settings

    @classmethod
    def read(cls, path: str | Path) -> RunSettings:
        """The settings of a file of YAML, or of lines `key=value`; raises LabkitError if it is neither."""
        content = parse_yaml(_as_yaml(yaml_text(path)), str(path))
        if not isinstance(content, dict):
            raise LabkitError(f"{path}: expected keys and values, such as 'steps: 1000'; found {content!r:.60}")
        return cls.from_dict(content, str(path))

    @property
    def checkpoint_period(self) -> int:
        return self.save_period or 10 * self.output_period

    def _check(self, where: str) -> None:
        if self.forcefield is None and self.external is None:
            raise LabkitError(f"{where}: neither forcefield nor external is given; give one for the forces")
        if (self.topology or self.structure or self.npz_file) is None:
            raise LabkitError(f"{where}: neither topology nor structure is given; give one for the atoms")
        if (self.coordinates or self.structure or self.npz_file) is None:
            raise LabkitError(f"{where}: neither coordinates nor structure is given; give one for the positions")
        if self.cutoff is None and (self.rfa or self.switch_dist is not None):
            raise LabkitError(f"{where}: {'rfa' if self.rfa else 'switch_dist'} needs a cutoff, such as cutoff: 9")
        if self.switch_dist is not None and self.switch_dist >= self.cutoff:
            raise LabkitError(f"{where}: switch_dist is {self.switch_dist}, not below the cutoff of {self.cutoff} Å")


def _as_yaml(text: str) -> str:
    """TorchMD's other run files have lines `key=value`, with None, True and lists as Python writes them."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    rows = [re.fullmatch(r"\s*(\w+)\s*=\s*(.*?)\s*", line) for line in lines]
    if not rows or None in rows:
        return text
    return "\n".join(f"{row[1]}: {'null' if row[2] == 'None' else row[2]}" for row in rows)
