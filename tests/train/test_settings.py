"""TorchMD-Net's training files: every key is used, refused, or said not to be used."""

import math

import numpy as np
import pytest
import yaml

from labkit.datasets import ice
from labkit.errors import LabkitError
from labkit.neural import NeuralConfig
from labkit.train import TrainingFile
from labkit.train.parts import split
from labkit.train.torchmd_net import NAMES, ONLY, UNUSED

#: examples/TensorNet-rMD17.yaml of TorchMD-Net, MIT
RMD17 = """
activation: silu
aggr: add
atom_filter: -1
batch_size: 8
coord_files: null
cutoff_lower: 0.0
cutoff_upper: 4.5
dataset: MD17
dataset_arg:
  molecules: revised_aspirin
dataset_root: ~/data
derivative: true
early_stopping_patience: 300
ema_alpha_neg_dy: 1.0
ema_alpha_y: 0.01
embed_files: null
embedding_dimension: 128
energy_files: null
equivariance_invariance_group: O(3)
y_weight: 0.5
force_files: null
neg_dy_weight: 0.5
gradient_clipping: 40.0
inference_batch_size: 64
load_model: null
log_dir: logs/
lr: 0.001
lr_factor: 0.8
lr_min: 1.0e-08
lr_patience: 25
lr_warmup_steps: 500
max_num_neighbors: 32
max_z: 100
model: tensornet
ngpus: 1
num_epochs: 10000
num_layers: 2
num_nodes: 1
num_rbf: 32
num_workers: 6
output_model: Scalar
precision: 32
prior_model: null
rbf_type: expnorm
redirect: false
reduce_op: add
seed: 12345
save_interval: 10
splits: null
standardize: true
test_interval: 30
test_size: null
train_size: 950
trainable_rbf: false
val_size: 50
weight_decay: 0.0
box_vecs: null
charge: false
spin: false
static_shapes: True
check_errors: False
"""
#: that of TorchMD's paper for QM9
PAPER = {
    "data": "~/data/qm9", "label": "energy_U0", "model": "graph-network", "batch_size": 128, "cutoff": 5.0, "lr": 4e-4,
    "lr_factor": 0.8, "lr_patience": 10, "early_stopping_patience": 30, "num_epochs": 300, "num_filters": 256,
    "num_gaussians": 25, "num_interactions": 6, "max_z": 100, "val_ratio": 0.05, "test_ratio": 0.1,
}  # fmt: skip


def read(values: dict, **changes: object) -> TrainingFile:
    return TrainingFile.from_dict({**values, **changes}, "run.yaml")


def test_a_file_of_torchmd_net() -> None:
    file = read(yaml.safe_load(RMD17))
    expected = NeuralConfig(network="tensornet", cutoff=4.5, channels=128, layers=2, n_radial=32, seed=12345)
    assert file.config() == expected
    training = file.training(950)
    assert (training.batch, training.rate, training.clip, training.seed) == (8, 0.001, 40.0, 12345)
    assert training.steps == 10000 * math.ceil(950 / 8)
    assert (training.weights.energy, training.weights.forces) == (0.5, 0.5)
    said = " ".join(file.notes)
    assert "lr_factor, lr_patience, lr_min, lr_warmup_steps, early_stopping_patience are not used: the rate" in said
    unused = [key for keys in UNUSED.values() for key in keys if yaml.safe_load(RMD17).get(key) is not None]
    assert len(unused) > 15 and all(key in said for key in unused)


def test_the_file_of_torchmds_paper() -> None:
    file = read(PAPER)
    expected = {"network": "schnet", "cutoff": 5.0, "channels": 256, "layers": 6, "n_radial": 25}
    assert {k: v for k, v in file.config().to_dict().items() if k in expected} == expected
    assert (file.val_size, file.test_size, file.label) == (0.05, 0.1, "energy_U0")
    assert file.training(1000).steps == 300 * 8 and file.training(1000).rate == 4e-4


@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_the_same_key(name) -> None:
    value = {"model": "schnet", "val_size": 0.2, "test_size": 0.3}.get(NAMES[name], 7)
    assert getattr(read({name: value}), NAMES[name]) == value
    with pytest.raises(LabkitError, match=f"run.yaml: .*{name}.* both are {NAMES[name]}; keep one"):
        read({NAMES[name]: value, name: {7: 8, "schnet": "tensornet"}.get(value, 0.1)})
    assert getattr(read({NAMES[name]: value, name: value}), NAMES[name]) == value


@pytest.mark.parametrize("key", ONLY)
def test_what_labkit_has_not_is_refused(key) -> None:
    allowed, why = ONLY[key]
    for value in allowed:
        read({key: value})
    with pytest.raises(LabkitError, match=f"run.yaml: {key} is .*{why[:20]}"):
        read({key: True if key in ("charge", "spin") else 7.5})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr_facto": 0.8}, "unknown key 'lr_facto'; did you mean 'lr_factor'"),
        ({"nonsense": 1}, "unknown key 'nonsense'; known: data,"),
        ({"model": "tensornt"}, "model is 'tensornt'; did you mean 'tensornet'"),
        ({"model": "equivariant-transformer"}, "model is .*which labkit has not; model: tensornet"),
        ({"lr": "fast"}, "rate is 'fast', expected a learning rate"),
        ({"val_ratio": 1.5}, "val_size is 1.5"),
        ({"val_ratio": float("nan")}, "val_size is nan"),
        ({"precision": 16}, "precision is 16, expected 32 or 64"),
        ({"dataset": "ANI1"}, "dataset is 'ANI1', expected QM9"),
        ({"prior_model": ["ZBL"]}, "prior_model is .*'ZBL'.*only Atomref"),
        ({"e0": {"H": "x"}}, "e0 is .*expected eV of isolated atoms"),
        ({"cutoff": [1, 2]}, "cutoff is"),
    ],
)
def test_wrong_keys_and_values(values, message) -> None:
    with pytest.raises(LabkitError, match=f"run.yaml: {message}"):
        read(values)


def test_budget_and_steps_come_before_epochs() -> None:
    assert read({"num_epochs": 3, "budget": 20}).training(10).steps is None
    assert read({"num_epochs": 3, "steps": 5}).training(10).steps == 5
    assert read({"num_epochs": 3, "batch": 100}).training(10).steps == 3  # a batch of all
    assert read({"derivative": False}).training(10).weights.forces == 0
    assert math.isinf(read({"gradient_clipping": 0}).training(10).clip)


def test_the_group_of_the_symmetry() -> None:
    assert read({"equivariance_invariance_group": "SO(3)"}).config().mirror is False
    with pytest.raises(LabkitError, match="keep one"):
        read({"equivariance_invariance_group": "SO(3)", "mirror": True}).config()


def test_yaml_that_is_none(tmp_path) -> None:
    for text, message in (
        ("- 1\n", "expected keys and values"),
        ("a: [", "not YAML"),
        ("!!python/name:os.a 1", "YAML"),
    ):
        (tmp_path / "run.yaml").write_text(text)
        with pytest.raises(LabkitError, match=message):
            TrainingFile.read(tmp_path / "run.yaml")


def test_the_split_is_that_of_torchmd_net(tmp_path) -> None:
    frames = ice("train", n=50)
    rows = split(frames, read({"val_ratio": 0.1, "test_ratio": 0.2, "seed": 3}), None)
    order = np.random.default_rng(3).permutation(np.arange(50))  # train_val_test_split of torchmdnet/utils.py
    for found, expected in zip((rows.train, rows.valid, rows.test), (order[:35], order[35:40], order[40:])):
        assert found.tolist() == expected.tolist()
    assert "split_by: trajectory" in rows.leak
    rows.write(tmp_path / "splits.npz")
    again = split(frames, read({}), tmp_path / "splits.npz")
    assert again.train.tolist() == rows.train.tolist() and again.test.tolist() == rows.test.tolist()
    with pytest.raises(LabkitError, match="splits.npz: expected rows of 40 frames.*of other data"):
        split(frames[:40], read({}), tmp_path / "splits.npz")


def test_sizes() -> None:
    frames = ice("train", n=50)
    rows = split(frames, read({"train_size": 20, "val_size": 5, "test_size": None}), None)
    assert (len(rows.train), len(rows.valid), len(rows.test)) == (20, 5, 5)  # the test has its own default
    with pytest.raises(LabkitError, match="50 frames are fewer than train_size"):
        split(frames, read({"train_size": 48, "val_size": 5}), None)
    with pytest.raises(LabkitError, match="none is left to train on"):
        split(frames, read({"val_size": 0.5, "test_size": 0.5}), None)


def test_whole_trajectories() -> None:
    frames = ice("train", n=50)
    rows = split(frames, read({"split_by": "trajectory", "val_size": 0.2, "test_size": 0.2}), None)
    groups = [{frames.info[k]["trajectory"] for k in part} for part in (rows.train, rows.valid, rows.test)]
    assert all(groups) and not (groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2])
    assert not rows.leak and len(rows.train) + len(rows.valid) + len(rows.test) == 50
