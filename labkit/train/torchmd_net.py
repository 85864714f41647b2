"""Keys of TorchMD-Net's training files: their names in labkit, and those that labkit does not use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.errors import LabkitError

#: other names of a key
NAMES = {
    "cutoff_upper": "cutoff",
    "embedding_dimension": "channels",
    "num_filters": "channels",
    "hidden_channels": "channels",
    "num_layers": "layers",
    "num_interactions": "layers",
    "num_rbf": "n_radial",
    "num_gaussians": "n_radial",
    "batch_size": "batch",
    "lr": "rate",
    "gradient_clipping": "clip",
    "y_weight": "energy_weight",
    "neg_dy_weight": "force_weight",
    "val_ratio": "val_size",
    "test_ratio": "test_size",
    "network": "model",
}

#: keys that are accepted but not used, and the note that says why; {} stands for those in the file
UNUSED = {
    "{} not used: the rate depends on the step alone (it rises, stays, and falls to zero at the end of the steps), so "
    "that a training can be resumed; the weights with the best validation error are kept": (
        "lr_factor", "lr_patience", "lr_min", "lr_metric", "lr_warmup_steps", "early_stopping_patience",
        "early_stopping_monitor", "checkpoint_monitor",
    ),
    "{} not used: activation, radial functions and messages are those of labkit's own network of this kind": (
        "activation", "rbf_type", "trainable_rbf", "neighbor_embedding", "distance_influence", "attn_activation",
        "num_heads", "vector_cutoff", "output_mlp_num_layers", "static_shapes",
    ),
    "{} not used: energies of isolated atoms are always subtracted, and the labels scaled by their rms": (
        "standardize", "remove_ref_energy",
    ),
    "{} not used: labkit averages the weights over the steps, not the losses": ("ema_alpha_y", "ema_alpha_neg_dy"),
    "{} not used: all neighbours within the cutoff count": ("max_num_neighbors", "check_errors"),
    "{} not used: it has no part in the result": (
        "inference_batch_size", "num_workers", "ngpus", "num_nodes", "distributed_backend", "save_interval",
        "test_interval", "redirect", "dataset_preload_limit", "reset_trainer", "wandb_use", "wandb_name",
        "wandb_project", "wandb_resume_from_id", "tensorboard_use",
    ),
}  # fmt: skip

#: keys with only one allowed value, and why others are refused
ONLY: dict[str, tuple[tuple[Any, ...], str]] = {
    "charge": ((False,), "potentials of total charge are not in labkit"),
    "spin": ((False,), "potentials of total spin are not in labkit"),
    "atom_filter": ((-1,), "every atom has an energy"),
    "cutoff_lower": ((0,), "neighbours count from 0 Å"),
    "reduce_op": (("add",), "energies of atoms are summed"),
    "aggr": (("add",), "messages are summed"),
    "output_model": (("Scalar",), "labkit trains energies and their derivatives"),
    "weight_decay": ((0,), "labkit has no weight decay"),
    "train_loss": (("mse_loss",), "the loss is that of squared errors"),
    "train_loss_arg": ((), "the loss has no arguments"),
    "box_vecs": ((), "give the cell with the frames, as in Lattice of extended XYZ"),
    "load_weights": ((), "use load_model with a model that labkit has written"),
    "prior_model": (
        ("Atomref", ["Atomref"], [{"Atomref": None}], {"Atomref": None}),
        "only Atomref is in labkit, whose energies come from the frames or e0; a pair core is added by Sum, in Python",
    ),
}


def translated(values: Mapping[Any, Any], where: str) -> tuple[dict[Any, Any], list[str]]:
    """The keys under their names in labkit, without the unused ones, and notes on those.

    Raises LabkitError for a key that is given under two names with two values, and for what labkit does not have.
    """
    notes = []
    left = {key: value for key, value in values.items() if value is not None}
    for sentence, keys in UNUSED.items():
        found = [key for key in keys if left.pop(key, None) is not None]
        if found:
            notes.append(sentence.format(f"{', '.join(found)} {'is' if len(found) == 1 else 'are'}"))
    for key, (allowed, why) in ONLY.items():
        value = left.pop(key, None)
        if value is not None and value not in allowed:
            only = f"only {key}: {allowed[0]}" if allowed else f"no {key}"
            raise LabkitError(f"{where}: {key} is {value!r}, but labkit has {only}: {why}")
    found, said = {}, {}
    for key, value in left.items():
        name = NAMES.get(key, key)
        if name in found and found[name] != value:
            raise LabkitError(
                f"{where}: {said[name]} is {found[name]!r} and {key} is {value!r}, but both are {name}; keep one"
            )
        found[name], said[name] = value, key
    return found, notes
