"""The keys of a training file, and the settings that they are translated to."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError, suggest
from labkit.forcefield.torchmd.yaml_file import read_yaml
from labkit.md.checks import checked, flag, key, number, one_of, text, whole
from labkit.neural import NeuralConfig, Training, Weights
from labkit.neural.networks.network import NETWORKS
from labkit.train.torchmd_net import NAMES, ONLY, UNUSED, translated

MODELS = {"graph-network": "schnet"}  # what TorchMD-Net calls them
ABSENT = ("transformer", "equivariant-transformer", "tensornet2")


def _model(value: Any) -> str:
    name = MODELS.get(text(value), value)
    if name in ABSENT:
        raise LabkitError(f"model is {value!r}, which labkit has not; model: tensornet is nearest to it")
    if name not in NETWORKS:
        raise LabkitError(
            f"model is {value!r}{suggest(name, NETWORKS)}; expected one of {', '.join((*NETWORKS, *MODELS))}"
        )
    return name


def _part(value: Any) -> int | float:
    """A number of frames, or a fraction of them."""
    found = math.nan if isinstance(value, bool) else float(value)
    if not found >= 0 or (found > 1 and found != int(found)):
        raise ValueError
    return found if isinstance(value, float) and found <= 1 or found != int(found) else int(found)


def _energies(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError
    return {text(name): number()(x) for name, x in value.items()}


def _argument(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | str):
        raise ValueError
    return value if isinstance(value, dict) else {"": value}


@dataclass(frozen=True)
class TrainingFile:
    """One training: its frames, their split, the model and the steps. Missing keys have labkit's defaults.

    TorchMD-Net's names of keys are accepted, too: lr is rate, cutoff_upper is cutoff, ... (labkit.train.torchmd_net).

    >>> TrainingFile.from_dict({"data": "ice.xyz", "lr": "1e-3", "num_rbf": 8}, "run.yaml").config().n_radial
    8
    """

    data: str | None = key(text, "a file of frames, such as train.xyz")
    dataset: str | None = key(one_of("QM9", "MD17", "rMD17", "HDF5", "Custom"), "QM9, MD17, rMD17, HDF5 or Custom")
    dataset_root: str | None = key(text, "a folder, or HDF5 files with ; between them")
    dataset_arg: dict[str, Any] | None = key(_argument, "such as {molecules: aspirin} or {label: energy_U0}")
    label: str | None = key(text, "an energy of QM9, such as energy_U0")
    coord_files: str | None = key(text, "a pattern of .npy files of positions")
    embed_files: str | None = key(text, "a pattern of .npy files of embeddings")
    energy_files: str | None = key(text, "a pattern of .npy files of energies")
    force_files: str | None = key(text, "a pattern of .npy files of forces")
    embeddings: str = key(one_of("beads", "elements"), "beads or elements", "beads")
    energy_key: str | None = key(text, "the name of the energies in the file")
    forces_key: str | None = key(text, "the name of the forces in the file")
    stress_key: str | None = key(text, "the name of the stresses in the file")
    units: str | None = key(text, "the unit of energies, such as kcal/mol")
    force_units: str | None = key(text, "the unit of forces, such as Hartree/bohr")
    train_size: int | float | None = key(_part, "a number of frames, or a part of all")
    val_size: int | float | None = key(_part, "a number of frames, or a part of all", 0.05)
    test_size: int | float | None = key(_part, "a number of frames, or a part of all", 0.1)
    splits: str | None = key(text, "an npz file with idx_train, idx_val and idx_test")
    split_by: str = key(text, "random, blocks, or a name in the frames' info, such as trajectory", "random")
    seed: int = key(whole(0), "a whole number from 0", 1)
    model: str = key(_model, "a network, such as tensornet", "tensornet")
    load_model: str | None = key(text, "a model that labkit has written, to go on from")
    cutoff: float | None = key(number(0.0, above=True), "a distance in Å above 0, such as 5")
    channels: int | None = key(whole(1), "a whole number from 1")
    layers: int | None = key(whole(0), "a whole number from 0")
    n_radial: int | None = key(whole(2), "a whole number from 2")
    outputs: int | None = key(whole(1), "a whole number from 1")
    mirror: bool | None = key(flag, "true or false")
    equivariance_invariance_group: str | None = key(one_of("O(3)", "SO(3)"), "O(3) or SO(3)")
    e0: dict[str, float] | None = key(_energies, "eV of isolated atoms, such as {H: -13.6, O: -432.0}")
    e0_method: str | None = key(one_of("average", "isolated"), "average or isolated")
    max_z: int | None = key(whole(1), "a whole number from 1")
    precision: int = key(lambda x: int(one_of("32", "64")(str(x))), "32 or 64", 32)
    derivative: bool | None = key(flag, "true or false")
    budget: float | None = key(number(0.0, above=True), "seconds, such as 300")
    steps: int | None = key(whole(1), "a whole number of steps from 1")
    num_epochs: int | None = key(whole(1), "a whole number of epochs from 1")
    batch: int | None = key(whole(1), "a whole number of frames from 1")
    rate: float | None = key(number(0.0, above=True), "a learning rate above 0, such as 1e-3")
    clip: float | None = key(number(0.0), "the largest norm of the gradient, or 0 for any")
    average: float | None = key(number(0.0), "a part of one, such as 0.99")
    cool_down: float | None = key(number(0.0), "a part of one, such as 0.4")
    energy_weight: float | None = key(number(0.0), "a number from 0")
    force_weight: float | None = key(number(0.0), "a number from 0")
    stress_weight: float | None = key(number(0.0), "a number from 0")
    log_dir: str | None = key(text, "a folder")
    notes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> TrainingFile:
        """The settings of these keys. Raises LabkitError, naming `where` and the key, if one is unknown or invalid."""
        known = {f.name: f.metadata for f in fields(cls) if f.metadata}
        names = [*known, *NAMES, *ONLY, *(k for keys in UNUSED.values() for k in keys)]
        for name in values:
            if name not in names:
                hint = suggest(str(name), names) or f"; known: {', '.join(known)}"
                raise LabkitError(f"{where}: unknown key {name!r}{hint}")
        renamed, notes = translated(values, where)
        return cls(**checked(renamed, known, where), notes=tuple(notes))

    @classmethod
    def read(cls, path: str | Path) -> TrainingFile:
        """The settings of a YAML file."""
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise LabkitError(f"{path}: expected keys and values, such as 'model: tensornet'; found {content!r:.60}")
        return cls.from_dict(content, str(path))

    def config(self) -> NeuralConfig:
        """The settings of the model."""
        group = self.equivariance_invariance_group
        if group is not None and self.mirror is not None and self.mirror != (group == "O(3)"):
            raise LabkitError(f"mirror is {self.mirror}, but equivariance_invariance_group {group}; keep one")
        given = {
            n: getattr(self, n) for n in ("cutoff", "channels", "layers", "n_radial", "outputs", "e0", "e0_method")
        }
        given["mirror"] = self.mirror if group is None else group == "O(3)"
        return NeuralConfig(network=self.model, seed=self.seed, **{k: v for k, v in given.items() if v is not None})

    def training(self, frames: int) -> Training:
        """The settings of the training with this many frames. Epochs become steps; steps and budget override epochs."""
        given = {n: getattr(self, n) for n in ("budget", "steps", "batch", "rate", "average", "cool_down")}
        given["clip"] = math.inf if self.clip == 0 else self.clip
        weights = {n: getattr(self, f"{n}_weight") for n in ("energy", "stress")} | {"forces": self.force_weight}
        if self.derivative is False:
            weights |= {"forces": 0.0, "stress": 0.0}
        if self.steps is None and self.budget is None and self.num_epochs is not None:
            batch = min(self.batch or Training.batch, frames)
            given["steps"] = self.num_epochs * math.ceil(frames / batch)
        return Training(
            seed=self.seed,
            weights=Weights(**{k: v for k, v in weights.items() if v is not None}),
            **{k: v for k, v in given.items() if v is not None},
        )
