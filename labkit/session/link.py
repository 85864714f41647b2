"""A link in a notebook that saves the session, for machines that do not keep files."""

from __future__ import annotations

import io

from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.session.archive import pack
from labkit.session.transfer import session_files

NAME = "labkit-session.zip"
LARGEST = 20_000_000  # bytes in a notebook's page


class SessionLink:
    """Displays a link that contains the session; if it is too large, it is written next to the notebook instead."""

    def __repr__(self) -> str:
        return f"in a terminal: labkit session export {NAME}"

    def _repr_html_(self) -> str:
        from labkit.panels.kit import html  # panels need widgets; the command does not
        from labkit.panels.kit.style import CSS

        buffer = io.BytesIO()
        if not pack(buffer, session_files()):
            shown = html.hint("There is nothing to export yet.")
        elif len(content := buffer.getvalue()) <= LARGEST:
            shown = html.links({NAME: content})
        else:
            shown = html.hint(_beside(content, html.size(len(content))))
        return f"{CSS}<div class='labkit'>{shown}</div>"


def export_link() -> SessionLink:
    """A link that saves a learner's work so far.

    >>> export_link()
    in a terminal: labkit session export labkit-session.zip
    """
    return SessionLink()


def _beside(content: bytes, size: str) -> str:
    try:
        atomic_write(NAME, content)
    except LabkitError as error:
        return f"The session ({size}) is too large for a link, and {error}"
    return f"{NAME} ({size}) is next to this notebook: save it from the list of files."
