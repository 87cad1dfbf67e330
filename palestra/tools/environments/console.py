"""Atari's games in our own console: they play inside the compiled program, and ale-py examines."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from palestra.core import Algorithm, Spec
from palestra.envs import atari2600
from palestra.tools.agents import episodes as judging
from palestra.tools.agents.policy import Policy
from palestra.tools.environments.atari import Atari, altered, preprocessing
from palestra.tools.environments.ours import Ours


class Console(Ours):
    """A game in an Atari 2600 of ours. Its parameters are those of `Atari`."""

    episodes = Atari.episodes
    gymnasium_judges = False
    films_beside = False

    @classmethod
    def of(
        cls, env_id: str, given: Mapping[str, Any], limit: int | None, ignore: tuple[str, ...]
    ) -> "Console":
        """The task in its shortest form. Raises ValueError for what cannot be."""
        atari2600.game_of(env_id)
        return cls(env_id, altered(given), None if limit == -1 else limit, ignore=ignore)

    @property
    def in_ale(self) -> Atari:
        """The same game in ale-py."""
        twin = self.env_id.replace(atari2600.PREFIX, "ALE/")
        return Atari(twin, self.env_kwargs, self.max_episode_steps)

    def details(self) -> dict[str, Any]:
        return {"preprocessing": asdict(preprocessing(self.env_kwargs))}

    def packages(self) -> list[str]:
        return ["ale-py", "warp-lang"]

    def judge(self, algorithm: Algorithm, spec: Spec, wishes: judging.Wishes) -> judging.Judge:
        """Whole games are long: fewer of them, and as seldom as on the host."""
        each = wishes.episodes or judging.FEW
        return judging.InOurs(self.judged, self.limit, each, share=judging.OnHost.SHARE)

    def score(
        self,
        policy: Policy,
        *,
        episodes: int,
        seed: int,
        both: bool = True,
        explore: bool = False,
        lanes: int | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Evaluations in ale-py, and unless not `both`, in our console."""
        asked: Any = {"episodes": episodes, "seed": seed, "explore": explore}
        scores = self.in_ale.score(policy, **asked, lanes=lanes)
        return scores | (super().score(policy, **asked) if both else {})
