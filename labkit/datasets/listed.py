"""Numbers of frames as text."""

from __future__ import annotations

import numpy as np


def listed(frames: np.ndarray | list[int] | tuple[int, ...], most: int = 8) -> str:
    """Numbers of frames in words, with ranges.

    >>> listed([3]), listed([1, 2, 3, 7])
    ('frame 3', 'frames 1-3, 7')
    """
    numbers = sorted(int(k) for k in frames)
    breaks = [0, *(n for n in range(1, len(numbers)) if numbers[n] != numbers[n - 1] + 1), len(numbers)]
    runs = [numbers[a:b] for a, b in zip(breaks, breaks[1:])]
    words = [str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs[:most]]
    more = f" and {len(numbers) - sum(map(len, runs[:most]))} more" if len(runs) > most else ""
    return f"frame{'s' * (len(numbers) != 1)} {', '.join(words)}{more}"
