"""The Recover panel: partial charges recovered by gradients through dynamics."""

from labkit.panels.recover.view import RecoverPanel

__all__ = ["RecoverPanel"]
