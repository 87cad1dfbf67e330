"""What goes on at its pace, for one page: messages go in, moments and pictures come out."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from palestra.faults import InputError
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.studio.words import address, sentence, words

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


async def give(send: Callable[..., Awaitable[None]], *what: Any) -> None:
    """To a page; WebSocketDisconnect where it is gone, which Starlette says as any fault."""
    try:
        await send(*what)
    except RuntimeError as fault:
        raise WebSocketDisconnect from fault


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
            game = self.game = await self._do(self._open_game)
            await self._send({"about": await self._do(game.about)})
            await self._show()
            await self._play()
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
                beat = max(1 / PICTURES, 1 / pace)
                due = max(due + beat, time.monotonic() - beat)  # no hurry after a pause
                owed += beat * pace
                steps, owed = int(owed + 1e-6), owed - int(owed + 1e-6)
                if steps:
                    await self._go_on({"do": "advance"}, self.game.advance, steps)
            else:
                if asked is None:
                    return
                if await self._go_on(asked, self.game.obey, asked):
                    owed, due = 0.0, time.monotonic()

    async def _go_on(self, asked: dict[str, Any], call: Callable[..., bool], *args: Any) -> bool:
        """Whether anything has changed, which is shown then; what cannot be is told."""
        try:
            if changed := await self._do(call, *args):
                await self._show()
            return changed
        except WebSocketDisconnect:
            raise
        except Exception as fault:
            told = sentence(fault, address(self.ws.scope), words(asked))
            await self._send({"said": told})
            if call == self.game.advance or not isinstance(fault, InputError):
                await self._stand()
        return False

    async def _stand(self) -> None:
        """Wait, after a fault that has been told, at a moment from which one may go back."""
        with suppress(Exception):  # what is at fault may be what shows it
            await self._do(self.game.obey, {"do": "pause"})
            await self._show()

    async def _show(self) -> None:
        """Tell of the moment that is shown, and send its picture behind it."""
        await self._send(await self._do(self.game.told))
        await give(self.ws.send_bytes, await self._do(self.game.png))

    async def _send(self, content: dict[str, Any]) -> None:
        await give(self.ws.send_text, words(content))

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
