"""The terms of a GapConfig that panels have controls for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labkit.errors import LabkitError
from labkit.gap import Distance2b, GapConfig, Soap

CUTOFFS = (0.5, 15.0)  # Å, that may be typed: within 15 Å an atom of a dense crystal has more than 1000 neighbours


def terms_of(config: GapConfig) -> tuple[Soap, Distance2b | None]:
    """The one soap and the distance_2b, if there is one, that a panel can show; LabkitError for other configs."""
    soaps = [d for d in config.descriptors if isinstance(d, Soap)]
    pairs = [d for d in config.descriptors if isinstance(d, Distance2b)]
    if len(soaps) != 1 or len(pairs) > 1:
        found = ", ".join(d.name for d in config.descriptors)
        raise LabkitError(f"the panel shows one soap and at most one distance_2b, but the config has {found}")
    return soaps[0], pairs[0] if pairs else None


def with_soap(config: GapConfig, values: dict[str, Any], **others: Any) -> GapConfig:
    """The config with other values of its soap, and of itself; raises LabkitError if they are invalid."""
    soap, pair = terms_of(config)
    soap = replace(soap, **values)
    return config.replace(descriptors=(soap,) if pair is None else (soap, pair), **others)
