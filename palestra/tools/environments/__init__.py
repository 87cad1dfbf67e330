"""The environments that are trained in, of four kinds: ours, Atari's, Gymnasium's, a caller's."""
