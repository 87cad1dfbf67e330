"""What goes on at its pace, for one page: messages go in, moments and pictures come out."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from palestra.faults import InputError
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.studio.words import words

PICTURES = 30.0  # a second, at most


class Shown(Protocol):
    """What goes on for a page to see."""

    @property
    def pace(self) -> float: ...  # steps a second; 0 while it stands
    def advance(self, steps: int) -> bool: ...  # whether anything has changed
    def obey(self, asked: dict[str, Any]) -> bool: ...  # whether to show it at once
    def about(self) -> dict[str, Any]: ...  # what stays the same
    def told(self) -> dict[str, Any]: ...  # what is told of now
    def png(self) -> bytes: ...
    def close(self) -> None: ...


class Table:
    """One page at a game, or at a lesson. All that touches the game happens in one thread of its
    own, since some environments want that."""

    def __init__(self, ws: WebSocket, open_game: Callable[[], Shown]):
        self.ws, self._open_game = ws, open_game
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="game")

    async def sit(self) -> None:
        """Play until the page is closed."""
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        hears = asyncio.create_task(self._hear())
        game: Shown | None = None
        try:
            try:
                game = self.game = await self._do(self._open_game)
                await self._send({"about": await self._do(game.about)})
                await self._show()
                await self._play()
            except InputError as fault:
                await self._send({"refused": str(fault)})
                await self._give(self.ws.close)
        except WebSocketDisconnect:  # the page was closed
            pass
        finally:
            hears.cancel()
            if game is not None:
                await self._do(game.close)
            self._thread.shutdown(wait=False)

    async def _play(self) -> None:
        due, owed = time.monotonic(), 0.0
        while True:
            pace = self.game.pace
            # Not 0, for which nothing that is asked would be heard.
            wait = max(0.001, due - time.monotonic()) if pace else None
            try:
                asked = await asyncio.wait_for(self._asked.get(), wait)
            except TimeoutError:
                pass
            else:
                if asked is None:
                    return
                try:
                    if await self._do(self.game.obey, asked):
                        owed, due = 0.0, time.monotonic()
                        await self._show()
                except InputError as fault:
                    await self._send({"said": str(fault)})
                continue
            beat = max(1 / PICTURES, 1 / pace)
            due = max(due + beat, time.monotonic() - beat)  # no hurry after a pause
            owed += beat * pace
            steps, owed = int(owed + 1e-6), owed - int(owed + 1e-6)
            try:
                if steps and await self._do(self.game.advance, steps):
                    await self._show()
            except InputError as fault:
                await self._do(self.game.obey, {"do": "pause"})
                await self._send({"said": str(fault)})
                await self._show()

    async def _show(self) -> None:
        """Tell of the moment that is shown, and send its picture behind it."""
        told, picture = await self._do(lambda: (self.game.told(), self.game.png()))
        await self._send(told)
        await self._give(self.ws.send_bytes, picture)

    async def _send(self, content: dict[str, Any]) -> None:
        await self._give(self.ws.send_text, words(content))

    async def _give(self, send: Callable[..., Awaitable[None]], *what: Any) -> None:
        """To a page that is gone, which Starlette says as any fault; those of games go on."""
        try:
            await send(*what)
        except RuntimeError as fault:
            raise WebSocketDisconnect from fault

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
