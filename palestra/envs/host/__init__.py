"""Environments that step on the host: any that Gymnasium knows, and Atari."""
