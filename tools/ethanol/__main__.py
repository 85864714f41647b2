"""`python -m tools.ethanol`."""

import sys

from tools.ethanol.command import main

sys.exit(main())
