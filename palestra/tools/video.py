"""The name that palestra/tools/pictures/video.py had: whoever imports this gets that module."""

import sys

from palestra.tools.pictures import video

sys.modules[__name__] = video
