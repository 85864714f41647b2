"""Quiet notes: warnings outside notebooks; grey lines in notebooks, where a warning would be a red box."""

from __future__ import annotations

import sys
import warnings
from html import escape


def note(message: str, category: type[Warning], stacklevel: int = 1) -> None:
    """Warn with `category`; in a notebook display the message as a grey line, unless a filter ignores the warning."""
    if not _in_notebook():
        warnings.warn(message, category, stacklevel=stacklevel + 1)
        return
    with warnings.catch_warnings(record=True) as caught:  # the user's filters still apply
        warnings.warn(message, category, stacklevel=stacklevel + 1)
    for one in caught:
        _display(str(one.message))


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _display(message: str) -> None:
    grey = f"<div style='color: var(--jp-ui-font-color2, #75808d)'>{escape(message)}</div>"
    sys.modules["IPython"].display.display({"text/plain": message, "text/html": grey}, raw=True)
