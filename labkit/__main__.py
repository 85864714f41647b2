"""`python -m labkit` is the command `labkit`."""

import os
import sys

# -m puts the working folder before all others: a file there called numpy.py would run as a part of labkit.
if not sys.flags.safe_path and os.path.realpath(sys.path[0]) == os.path.realpath(os.getcwd()):
    del sys.path[0]

from labkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
