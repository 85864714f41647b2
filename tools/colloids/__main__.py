"""`python -m tools.colloids`."""

import sys

from tools.colloids.command import main

sys.exit(main())
