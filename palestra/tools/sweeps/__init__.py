"""Sweeps: many runs of one algorithm on one environment, trained by any number of workers."""
