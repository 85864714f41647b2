"""The run tray: every fit of the session."""

from labkit.panels.tray.view import RunTray

__all__ = ["RunTray"]
