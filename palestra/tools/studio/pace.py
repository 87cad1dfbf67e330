"""A game at its pace, for one page: messages go in, moments and pictures come out."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from palestra.faults import InputError
from palestra.ranges import Seed, check
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.studio.words import words

if TYPE_CHECKING:
    from palestra.tools.studio.play import Game  # which imports JAX

SLOWEST, FASTEST = 0.1, 10.0  # times the game's own pace
PICTURES = 30.0  # a second, at most


class Table:
    """One page at a game. All that touches the game happens in one thread of its own, since some
    environments want that."""

    def __init__(self, ws: WebSocket, open_game: Callable[[], "Game"]):
        self.ws, self._open_game = ws, open_game
        self.playing, self.speed = False, 1.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="game")

    async def sit(self) -> None:
        """Play until the page is closed."""
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        hears = asyncio.create_task(self._hear())
        game: Game | None = None
        try:
            game = self.game = await self._do(self._open_game)
            await self._send({"about": await self._do(game.about)})
            await self._show()
            await self._play()
        except InputError as fault:
            await self._send({"refused": str(fault)})
            await self.ws.close()
        except (WebSocketDisconnect, RuntimeError):  # the page was closed
            pass
        finally:
            hears.cancel()
            if game is not None:
                await self._do(game.close)
            self._thread.shutdown(wait=False)

    async def _play(self) -> None:
        due, owed = time.monotonic(), 0.0
        while True:
            turns = not self.game.controls.idle  # which come with the keys
            moving = self.playing if self.game.hands == "agent" else not turns
            # Not 0, for which nothing that is asked would be heard.
            wait = max(0.001, due - time.monotonic()) if moving else None
            try:
                asked = await asyncio.wait_for(self._asked.get(), wait)
            except TimeoutError:
                pass
            else:
                if asked is None:
                    return
                try:
                    await self._do(self._obey, asked)
                except InputError as fault:
                    await self._send({"said": str(fault)})
                if asked.get("do") != "key" or turns:
                    owed, due = 0.0, time.monotonic()
                    await self._show()
                continue
            pace = self.game.rate * self.speed  # moments a second
            beat = max(1 / PICTURES, 1 / pace)
            due = max(due + beat, time.monotonic() - beat)  # no hurry after a pause
            owed += beat * pace
            steps, owed = int(owed + 1e-6), owed - int(owed + 1e-6)
            if steps and await self._advance(steps):
                await self._show()

    async def _advance(self, steps: int) -> bool:
        """Go on; whether anything has changed."""
        try:
            gone = await self._do(lambda: [self.game.step() for _ in range(steps)])
        except InputError as fault:
            self.playing = False
            self.game.hand("agent")
            await self._send({"said": str(fault)})
            return True
        if not gone[-1]:  # the end
            self.playing = False
            self.game.hand("agent")
            return True
        return any(gone)

    def _obey(self, asked: dict[str, Any]) -> None:
        """Do what the page asks for. Raises ValueError."""
        game, what = self.game, asked.get("do")
        number = lambda name: _number(asked, name)
        if what == "play":
            self.playing = True
            if game.now.over and game.at + 1 == len(game.line):
                game.begin(game.seed + 1)
        elif what == "pause":
            self.playing = False
            game.hand("agent")
        elif what == "step":
            self.playing = False
            game.step()
        elif what == "seek":
            self.playing = False
            game.seek(int(number("at")))
        elif what == "branch":
            game.fork()
        elif what == "show":
            game.show(int(number("branch")))
        elif what == "speed":
            self.speed = min(max(number("times"), SLOWEST), FASTEST)
        elif what == "key":
            game.key(str(asked.get("key")), bool(asked.get("down")))
            if not game.controls.idle and game.hands == "you":
                game.step()
        elif what == "hand":
            game.hand(str(asked.get("to")))
            self.playing = game.hands == "agent"
        elif what == "set":
            game.change(str(asked.get("name")), number("value"))
        elif what == "begin":
            seed = int(number("seed"))
            check("seed", seed, Seed)
            game.hand("agent")
            game.begin(seed)
        else:
            raise InputError(f"There is nothing that is called {what!r} to do.")

    async def _show(self) -> None:
        """Tell of the moment that is shown, and send its picture behind it."""
        told, picture = await self._do(lambda: (self.game.told(), self.game.png()))
        await self._send({**told, "playing": self.playing, "speed": self.speed})
        await self.ws.send_bytes(picture)

    async def _send(self, content: dict[str, Any]) -> None:
        await self.ws.send_text(words(content))

    async def _hear(self) -> None:
        try:
            while True:
                try:
                    asked = parsed(await self.ws.receive_text())
                except NotJsonError:
                    continue
                if isinstance(asked, dict):
                    await self._asked.put(asked)
        except (WebSocketDisconnect, RuntimeError, KeyError):
            await self._asked.put(None)

    async def _do(self, call: Callable[..., Any], *args: Any) -> Any:
        return await self._loop.run_in_executor(self._thread, call, *args)


def _number(asked: dict[str, Any], name: str) -> float:
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12:
        raise InputError(f"{name} must be a number, not {value!r}.")
    return value
