"""Warp, started without a word: it tells of itself on the standard output, and of a graphics card
that is not there on the standard error, to nobody's use."""

import os

import warp as wp

wp.config.log_level = wp.LOG_WARNING
_kept, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 2)
try:
    wp.init()
finally:
    os.dup2(_kept, 2)
    os.close(_kept)
    os.close(_nowhere)
