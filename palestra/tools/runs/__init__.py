"""Run folders: what is written of a training run, and read again."""
