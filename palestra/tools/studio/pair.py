"""Two agents side by side: the same start, the same world, and one clock for both."""

from typing import Any

import numpy as np

from palestra.faults import InputError
from palestra.tools.studio.line import Line
from palestra.tools.studio.play import Game
from palestra.tools.studio.words import png

OF_FIRST = "key", "hand", "save", "keep"  # what a person does with the first one


class Pair:
    """Two games of which the second goes along with the first. Where one has ended the other goes
    on alone; going back takes both to the same moment, or to its end that of a shorter one."""

    def __init__(self, first: Game, second: Game):
        """Raises ValueError where they are of two environments."""
        ours, theirs = (x.agent.task.env_id for x in (first, second))
        if ours != theirs:
            raise InputError(f"Side by side both must play {ours}, not {theirs}.")
        self.first, self.second = first, second
        if first.world is not None:
            second.world = first.world
            second.begin(first.seed)

    @property
    def pace(self) -> float:
        """Steps a second; 0 while both stand."""
        return self.first.pace

    def advance(self, steps: int) -> bool:
        """Go on; whether anything has changed. It stands where both are over."""
        for _ in range(steps):
            if not self._step():
                break
        if self.first.now.over:
            self.first.hand("agent")
            self.first.playing = not self.second.now.over
        return True

    def obey(self, asked: dict[str, Any]) -> bool:
        """Do what the page asks for; whether to show it at once. Raises ValueError."""
        what, lines, at = asked.get("do"), self._lines(), self.first.at
        if what == "play" and not all(x.now.over for x in self._both):
            self.first.hand("agent")
            self.first.playing = True
        elif what == "step":
            self.first.playing = False
            self._step()
        elif what in OF_FIRST:
            shown = self.first.obey(asked)
            self._branch_alike(lines)
            for _ in range(self.first.at - at):  # a turn, where the game waits for a key
                self.second.step()
            return shown
        else:
            for one in self._both:
                one.obey(asked)
            if what in ("branch", "set"):
                self._branch_alike(lines)
        return True

    def _step(self) -> bool:
        """Both go on by a moment; False where neither can."""
        lines = self._lines()
        moved = self.first.step()
        self._branch_alike(lines)
        if moved or self.first.now.over:
            moved |= self.second.step()
        return moved

    @property
    def _both(self) -> tuple[Game, Game]:
        return self.first, self.second

    def _lines(self) -> list[Line]:
        return [x.line for x in self._both]

    def _branch_alike(self, before: list[Line]) -> None:
        """Where one of them has gone on by a branch since then, both do: branches are shown by
        number."""
        branched = [x.line is not line for x, line in zip(self._both, before, strict=True)]
        for one, has in zip(self._both, branched, strict=True):
            if any(branched) and not has:
                one.fork(always=True)

    def about(self) -> dict[str, Any]:
        """What stays the same, as JSON holds it."""
        return {**self.first.about(), "rival": self.second.about()}

    def told(self) -> dict[str, Any]:
        """What is told of the moment that is shown, as JSON holds it."""
        return {**self.first.told(), "rival": self.second.told()}

    def png(self) -> bytes:
        """Both pictures in one, side by side."""
        return png(np.concatenate([self.first.picture(), self.second.picture()], 1))

    def close(self) -> None:
        """Both games end."""
        self.first.close()
        self.second.close()
