"""The name that palestra/tools/pictures/plot.py had: whoever imports this gets that module."""

import sys

from palestra.tools.pictures import plot

sys.modules[__name__] = plot
