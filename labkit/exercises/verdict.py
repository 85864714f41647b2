"""The result of a check, in a notebook and in a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from labkit.errors import LabkitError

STYLE = """<style>
.labkit .labkit-verdict { border-left: 4px solid var(--labkit-colour); border-radius: 6px; padding: 7px 12px;
  max-width: 760px; line-height: 1.45; background: color-mix(in srgb, var(--labkit-colour) 9%, transparent); }
.labkit .labkit-verdict b { color: color-mix(in srgb, var(--labkit-colour) 75%, currentcolor); }
</style>"""


class NotAnswered(LabkitError):
    """An exercise that still has dots; a notebook shows it as one line, not as a traceback."""

    def brief(self) -> list[str]:
        return [f"\033[1;33m✎ {self}\033[0m"]


@dataclass(frozen=True)
class Verdict:
    """Whether an answer was right, and a hint; true if it was right."""

    number: str
    title: str
    right: bool
    message: str = ""
    note: str = ""
    row: str = ""  # HTML: the notebook's exercises, done and open

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        words = f"Exercise {self.number}: {'right.' if self.right else 'not yet.'} {self.message}".rstrip()
        return f"{words}\n({self.note})" if self.note else words

    def _repr_html_(self) -> str:
        from labkit.panels.kit.style import CSS, FORCE, VALID  # panels need widgets; a check in a script does not

        head = f"{'✓' if self.right else '✎'} {self.number} {'Right.' if self.right else 'Not yet.'}"
        note = f"<div class='labkit-hint'>{escape(self.note)}</div>" if self.note else ""
        colour = FORCE if self.right else VALID
        return (
            f"{CSS}{STYLE}<div class='labkit'><div class='labkit-verdict' style='--labkit-colour: {colour}'>"
            f"<b>{head}</b> {escape(self.message)}{note}{self.row}</div></div>"
        )
