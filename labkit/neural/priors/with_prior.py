"""WithPrior: a fixed potential and the network that has learned the difference."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from labkit.base import Potential, Sum, Vocabulary
from labkit.errors import LabkitError
from labkit.files import tensors_digest
from labkit.neural.potential import NeuralPotential
from labkit.neural.priors.zbl import Zbl

#: priors that are stored with a model, by name; others must be passed again when it is loaded
STORED: dict[str, type[Zbl]] = {"zbl": Zbl}


class WithPrior(Sum):
    """E = E_prior + E_learned, saved as one file.

    >>> from labkit.neural import NeuralConfig
    >>> from labkit.neural.priors import Zbl
    >>> learned = NeuralPotential(NeuralConfig(channels=8), ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> WithPrior(Zbl(["H", "O"]), learned).learned is learned
    True
    """

    def __init__(self, prior: Potential, learned: NeuralPotential) -> None:
        super().__init__([prior, learned])
        learned.metadata["prior"] = described(prior)

    @property
    def learned(self) -> NeuralPotential:
        """The network, which is wrong without the prior."""
        return self.potentials[-1]

    @property
    def prior(self) -> Potential:
        """The fixed potential."""
        return self.potentials[0] if len(self.potentials) == 2 else Sum(self.potentials[:-1])

    @property
    def vocabulary(self) -> Vocabulary:
        """Names of the species that the network knows."""
        return self.learned.vocabulary

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, which `labkit.neural.load` reads; your own prior is named in it, not stored."""
        self.learned.save(path)


def described(prior: Potential) -> dict[str, Any]:
    """Kind and settings of a prior; if it cannot be stored, its class and a digest."""
    for name, kind in STORED.items():
        if type(prior) is kind:
            return {"kind": name, **prior.settings()}
    parts = list(prior.potentials) if isinstance(prior, Sum) else [prior]
    plain = [
        {"class": type(p).__name__, **{k: v for k, v in vars(p).items() if isinstance(v, (str, int, float, tuple))}}
        for p in parts
    ]
    digest = hashlib.sha256(json.dumps(plain, default=str, sort_keys=True).encode()).hexdigest()
    both = tensors_digest({"parts": digest}, dict(prior.state_dict()))
    return {"kind": "other", "name": " + ".join(type(p).__name__ for p in parts), "digest": both}


def load(path: str | os.PathLike[str], prior: Potential | None = None) -> NeuralPotential | WithPrior:
    """Read what `save` of a trained potential wrote, with its prior if it has one.

    prior  the one used in training, if it could not be stored

    Raises LabkitError for a damaged file, and for a missing or wrong prior.
    """
    learned = NeuralPotential.load(path, alone=False)
    stored = learned.metadata.get("prior")
    if stored is None and prior is None:
        return learned
    if stored is not None and prior is None and stored["kind"] in STORED:
        settings = {name: value for name, value in stored.items() if name != "kind"}
        return WithPrior(STORED[stored["kind"]](**settings), learned)
    if prior is None:
        raise LabkitError(f"{path}: was trained beside a {stored['name']}, which is not stored; load it with prior=...")
    if stored != described(prior):
        beside = "no prior" if stored is None else f"a {stored.get('name', stored['kind'])}"
        raise LabkitError(
            f"{path}: was trained beside {beside}, not beside this {type(prior).__name__}; give the same one"
        )
    return WithPrior(prior, learned)
