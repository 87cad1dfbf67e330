"""Our simulators as environments of Gymnasium: one, many, through XLA or as plain Python."""
