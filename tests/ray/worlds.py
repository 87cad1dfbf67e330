"""A world that ends the process that it is in, or raises, where a file of that name tells it to."""

import os
import signal
from pathlib import Path

import gymnasium
import numpy as np
import ray


class Frail(gymnasium.Env):
    """Nine numbers one after another; +1 for the sign of the one that is seen."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, folder: str = "", home: int = 0, always: bool = False):
        self.folder, self.home, self.always = folder, home, always
        if folder and os.getpid() != home and ray.is_initialized():  # says on which node it is
            Path(folder, f"at-{os.getpid()}").write_text(ray.get_runtime_context().get_node_id())

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        self.seen = self._next()
        return self.seen, {}

    def step(self, action):
        self._obey()
        self.steps += 1
        reward = float(action == (self.seen[0] > 0))
        self.seen = self._next()
        return self.seen, reward, self.steps >= 9, False, {}

    def _next(self):
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)

    def _obey(self):
        if not self.folder or os.getpid() == self.home:  # who asks must not end
            return
        if self.always and Path(self.folder, "die").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            Path(self.folder, "die").unlink()  # one of them alone finds it
        except FileNotFoundError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
        if Path(self.folder, "raise").exists():
            raise RuntimeError("the world is over")


gymnasium.register("Frail-v0", Frail, max_episode_steps=100)
