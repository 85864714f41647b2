"""A small GAP of ice, and frames that it was not trained on."""

import pytest

import labkit
from labkit.datasets import Dataset
from labkit.gap import Design, GapModel


@pytest.fixture(scope="package")
def model(design: Design) -> GapModel:
    return design.solve(sigma_energy=0.001, sigma_force=0.05)


@pytest.fixture(scope="package")
def held() -> Dataset:
    return labkit.datasets.ice("valid")
