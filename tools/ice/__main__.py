"""`python -m tools.ice`."""

import sys

from tools.ice.command import main

sys.exit(main())
