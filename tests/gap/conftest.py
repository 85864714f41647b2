"""Small ice designs that several tests share."""

import pytest

import labkit.datasets
from labkit.datasets import Dataset
from labkit.gap import Design, Distance2b, GapConfig, Soap

SOAP = Soap(cutoff=3.5, n_max=5, l_max=4, zeta=4, n_sparse=30, atom_sigma=0.4)


@pytest.fixture(scope="session")
def train() -> Dataset:
    return labkit.datasets.ice("train", n=50)[:12]


@pytest.fixture(scope="session")
def valid() -> Dataset:
    return labkit.datasets.ice("valid")[:6]


@pytest.fixture(scope="session")
def config() -> GapConfig:
    return GapConfig((SOAP, Distance2b(cutoff=4.0, n_sparse=10, delta=0.5)), sparse_jitter=1e-8)


@pytest.fixture(scope="session")
def design(train: Dataset, valid: Dataset, config: GapConfig) -> Design:
    return Design.build(train, config, valid=valid)
