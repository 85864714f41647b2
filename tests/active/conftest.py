"""The small GAPs of ice of tests/gap."""

from gap.conftest import config, design, train, valid

__all__ = ["config", "design", "train", "valid"]
