"""NeuralConfig: the settings of a neural potential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from labkit.base.settings import ModelSettings
from labkit.errors import LabkitError


@dataclass(frozen=True)
class NeuralConfig(ModelSettings):
    """Settings of a neural potential; those of its training are in `labkit.neural.Training`.

    network    'tensornet', 'schnet' or 'soap-linear'
    cutoff     Å
    channels   features of each atom
    layers     how often atoms exchange messages; an atom feels others up to (layers + 1) · cutoff away (tensornet), or
               layers · cutoff (schnet); soap-linear has none
    n_radial   radial functions
    mirror     whether mirror images have the same energy (TensorNet: O(3)); False: SO(3)
    head       'plain', 'mean-variance', 'evidential' or 'dropout': what the last layer returns (`labkit.neural.heads`)
    outputs    energies of a plain head; from 2 on a shallow ensemble, whose mean is the potential
    dropout    fraction of the features that a head 'dropout' leaves out in training
    e0         eV of an isolated atom, by symbol; None to determine them by `e0_method`
    e0_method  'average' (from the energies) or 'isolated' (from frames of one atom)
    seed       of the initial weights

    Raises LabkitError for a value that is out of range.

    >>> NeuralConfig(channels=32).replace(cutoff=4.5).summary()
    'network tensornet, cutoff 4.5, channels 32, layers 1, n_radial 16, mirror True, head plain, \
outputs 1, dropout 0.1, e0 None, e0_method average, seed 0'
    """

    network: str = "tensornet"
    cutoff: float = 5.0
    channels: int = 64
    layers: int = 1
    n_radial: int = 16
    mirror: bool = True
    head: str = "plain"
    outputs: int = 1
    dropout: float = 0.1
    e0: Mapping[str, float] | None = None
    e0_method: str = "average"
    seed: int = 0

    kind: ClassVar[str] = "neural"
    file_name: ClassVar[str] = "neural_config.json"

    def __post_init__(self) -> None:
        if not 0.5 <= self.cutoff <= 50:
            raise LabkitError(f"cutoff is {self.cutoff:g} Å; expected 0.5 to 50 Å")
        for name, least in (("channels", 1), ("layers", 0), ("n_radial", 2), ("outputs", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise LabkitError(f"{name} is {value!r}; expected a whole number from {least}")
        if not 0 <= self.dropout < 1:
            raise LabkitError(f"dropout is {self.dropout:g}; expected a part of one, from 0 and below 1")
        if self.e0_method not in ("average", "isolated"):
            raise LabkitError(f"e0_method is {self.e0_method!r}; expected 'average' or 'isolated'")

    def replace(self, **changes: Any) -> NeuralConfig:
        return replace(self, **changes)

    def of_network(self) -> dict[str, Any]:
        """The arguments of the network that follow the number of species, without its head."""
        return {k: v for k, v in asdict(self).items() if k in ("cutoff", "channels", "layers", "n_radial", "mirror")}
