"""Five Atari games made small: MinAtar, played on a board of 10 x 10 squares.

What an agent sees is the whole board, one yes-or-no picture per kind of object: bool [10, 10, C],
whose last axis is named by `channels`. Rows count from the top, columns from the left. Actions are
those that a game uses, which MinAtar calls its minimal action set. Its sticky actions are a
transform of their own, StickyActions; it begins each episode with none to repeat, where MinAtar's
wrapper may repeat the last action of the episode before.

Source: Young, Tian (2019), MinAtar: An Atari-inspired testbed for thorough and reproducible
reinforcement learning experiments. Reference: the package `minatar`, version 1.0.15, replayed step
for step in tests/envs/test_minatar_*.py.
"""
