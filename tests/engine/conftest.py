"""Lets the tests of this folder import `toys` beside them (with importlib mode, nothing else would)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
