"""The parameters of a panel that are no longer those of its results, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labkit.panels.kit.controls import parameters

if TYPE_CHECKING:
    from labkit.panels.kit.model import PanelModel


def differences(now: PanelModel, shown: PanelModel) -> str:
    """ "cutoff 4 Å (now 4.5 Å), ..." for the parameters that differ, without those that act at once; or ""."""
    words = []
    for name in parameters(now):
        value, before = getattr(now, name), getattr(shown, name)
        if value != before and not now.follows(name):
            tags = now.traits()[name].metadata
            words.append(f"{tags['label']} {in_words(before, tags['unit'])} (now {in_words(value, tags['unit'])})")
    return ", ".join(words)


def in_words(value: Any, unit: str = "") -> str:
    """A value as people write it.

    >>> in_words(0.30000000000000004, "Å"), in_words(True), in_words("")
    ('0.3 Å', 'on', 'none')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    text = f"{value:.12g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".strip() or "none"
