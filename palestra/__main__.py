"""python -m palestra: the command line."""

import sys

from palestra.tools.cli import main

sys.exit(main())
