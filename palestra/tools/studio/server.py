"""The studio's server: one page for one person, on this machine alone.

    127.0.0.1:PORT/TOKEN/          the page; every address begins with the token
    .../runs, run, compare, ...    what it asks for, as JSON
    .../live, play, learn          what goes on, by WebSocket

Whoever asks must know the token, by the name of this machine (so that no foreign name that leads
here will do), and from a page of ours. Nothing that lies in a run's folder is executed.
"""

import asyncio
import errno
import secrets
import socket
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import uvicorn
import websockets  # noqa: F401 - uvicorn's, said to be missing here rather than later
from starlette.concurrency import run_in_threadpool
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from palestra.faults import InputError, bad_input
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.runs import zoo
from palestra.tools.studio import detail, form, queue
from palestra.tools.studio.jobs import Jobs
from palestra.tools.studio.live import Curve
from palestra.tools.studio.pace import Table, give
from palestra.tools.studio.shelf import Shelf
from palestra.tools.studio.words import address, sentence, words

HOST = "127.0.0.1"
LARGEST = 64 * 1024  # bytes of a message to us
TICK = 0.5  # seconds between two looks at curves that grow
PAGE = Path(__file__).parent / "page"
SHOWN = {".png", ".mp4"}  # of a run's files, in the page; all others are only saved
ELSEWHERE = "This is not the studio's address: open the one that `palestra studio` told."
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """The application for those alone who may ask."""

    def __init__(self, app: ASGIApp, token: str, port: int):
        self.app, self.token = app, token.encode()
        self.hosts = [f"{name}:{port}" for name in (HOST, "localhost")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises nothing: what may not be asked is answered so."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        _, token, path = (*scope["path"].split("/", 2), "", "")[:3]
        known = secrets.compare_digest(token.encode(), self.token)
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        ours = host in self.hosts and origin in (None, f"http://{host}")
        socket_without_page = scope["type"] == "websocket" and origin is None
        if not known or not ours or socket_without_page:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            told = (
                "This address is not that of the studio: open the one that `palestra studio` told."
            )
            await PlainTextResponse(told, 403, HEADERS)(scope, receive, send)
            return
        if scope["type"] == "http":
            receive = partial(_limited, receive, [0])
        await self.app({**scope, "path": f"/{path}", "root_path": ""}, receive, send)


class TooLargeError(InputError):
    """A message is larger than any of ours."""


async def _limited(receive: Receive, read: list[int]) -> Message:
    message = await receive()
    read[0] += len(message.get("body", b""))
    if read[0] > LARGEST:
        raise TooLargeError(f"A message to the studio has at most {LARGEST:,} bytes.")
    return message


def told(content: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(words(content), status, HEADERS, "application/json")


def application(shelf: Shelf, jobs: Jobs) -> ASGIApp:
    """What answers, for those who may ask."""
    pages = {path.name: path for path in PAGE.iterdir() if path.suffix in (".html", ".css", ".js")}

    def page(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name not in pages:
            raise FileNotFoundError(f"There is no page {name!r}.")
        kind = guess_type(name)[0] or "text/plain"
        return Response(pages[name].read_bytes(), 200, HEADERS, kind)

    def runs(request: Request) -> Response:
        jobs.children += queue.begin(shelf.root.absolute())
        rows, waits = shelf.rows(), queue.waits(shelf.root)
        return told({"folder": str(shelf.root.absolute()), "runs": rows, "queue": waits})

    def agents(request: Request) -> Response:
        rows = [{"name": zoo.PREFIX + name, **row} for name, row in zoo.table().items()]
        return told({"agents": rows})

    def run(request: Request) -> Response:
        name = request.query_params.get("run", "")
        return told(detail.of(shelf, name))

    def compare(request: Request) -> Response:
        folders = [shelf.run(name) for name in request.query_params.getlist("run")]
        return told(detail.compared(shelf.root, folders))

    def file(request: Request) -> Response:
        name = request.query_params.get("name", "")
        path = shelf.file(request.query_params.get("run", ""), name)
        shown = path.suffix in SHOWN
        kind = guess_type(path.name)[0] if shown else "application/octet-stream"
        how = "inline" if shown else "attachment"
        return FileResponse(path, 200, HEADERS, kind, None, path.name, content_disposition_type=how)

    def job(act: Callable[[Path], str]) -> Callable[[Request], Awaitable[Response]]:
        """What does something with the run that is asked for."""

        async def answer(request: Request) -> Response:
            folder = shelf.run(str((await _asked(request)).get("run")))
            return told({"said": await run_in_threadpool(act, folder)})

        return answer

    def fields(request: Request) -> Response:
        algorithm, env_id, preset = (
            request.query_params.get(name, "") for name in ("algorithm", "env", "preset")
        )
        return told(form.form(algorithm, env_id, preset, jobs.trusted))

    async def train(request: Request) -> Response:
        asked = await _asked(request)
        return told({"run": await run_in_threadpool(form.start, jobs, shelf.root, asked)})

    async def unqueue(request: Request) -> Response:
        queue.remove(shelf.root, str((await _asked(request)).get("name")))
        return told({})

    async def live(ws: WebSocket) -> None:
        """Curves of runs as they grow, and how each run stands."""
        folders = {name: shelf.run(name) for name in ws.query_params.getlist("run")}
        await ws.accept()
        curves = {name: Curve(folder) for name, folder in folders.items()}
        sent: dict[str, tuple[int, int]] = {}
        states: dict[str, Any] = {}
        gone = asyncio.create_task(_gone(ws))
        try:
            while not gone.done():
                for name, curve in curves.items():
                    if await run_in_threadpool(curve.follow) or name not in sent:
                        news = curve.since(*sent.get(name, (-1, 0)))
                        sent[name] = curve.epoch, len(curve.points)
                        await give(ws.send_text, words({"run": name, **news}))
                    state = await run_in_threadpool(detail.standing, folders[name])
                    if states.get(name) != state:
                        states[name] = state
                        await give(ws.send_text, words({"run": name, "standing": state}))
                await asyncio.wait([gone], timeout=TICK)
        finally:
            gone.cancel()

    async def play(ws: WebSocket) -> None:
        """A game of one of a run's agents, or of two of them, side by side."""
        asked = ws.query_params
        seed = asked.get("seed", "0")
        begun = int(seed) if seed.isdecimal() and len(seed) < 10 else 0
        path, made = agent_file(asked.get("run", ""), asked.get("agent", "best"))
        rival = asked.get("beside")
        other = agent_file(rival, asked.get("rival", "best"))[0] if rival else None

        def opened() -> Any:
            from palestra.tools.agents.agent import load  # JAX, when it is needed
            from palestra.tools.studio.pair import Pair
            from palestra.tools.studio.play import game

            with ExitStack() as closing:  # where the second one cannot be
                first: Any = game(load(path), begun, made)
                closing.callback(first.close)
                if other is not None:
                    second = game(load(other), begun)
                    closing.callback(second.close)
                    first = Pair(first, second)
                closing.pop_all()
            return first

        await ws.accept()
        await Table(ws, opened).sit()

    def agent_file(run: str, which: str) -> tuple[Path, Path]:
        """An agent's file, and the folder for what is made of it."""
        if zoo.is_named(run):
            return zoo.file_of(run), shelf.root / zoo.label_of(run)
        names = {"best": "agent.safetensors", "last": "last.safetensors"}
        return shelf.file(run, names.get(which, which)), shelf.run(run)

    async def learn(ws: WebSocket) -> None:
        """A table that learns."""
        algorithm, env_id = (ws.query_params.get(name, "") for name in ("algorithm", "env"))

        def opened() -> Any:
            from palestra.tools.studio.learn import Lesson

            return Lesson(algorithm, env_id)

        await ws.accept()
        await Table(ws, opened).sit()

    routes = [
        Route("/runs", runs),
        Route("/zoo", agents),
        Route("/run", run),
        Route("/compare", compare),
        Route("/file", file),
        Route("/form", fields),
        Route("/train", train, methods=["POST"]),
        Route("/unqueue", unqueue, methods=["POST"]),
        Route("/stop", job(jobs.stop), methods=["POST"]),
        Route("/resume", job(jobs.resume), methods=["POST"]),
        Route("/reproduce", job(jobs.reproduce), methods=["POST"]),
        Route("/export", job(jobs.export), methods=["POST"]),
        WebSocketRoute("/live", live),
        WebSocketRoute("/play", play),
        WebSocketRoute("/learn", learn),
        Route("/", page),
        Route("/{name}", page),
    ]

    handlers: Any = {Exception: refused}
    return ExceptionMiddleware(Router(routes), handlers)


async def refused(asked: Request | WebSocket, fault: Exception) -> Response | None:
    """What was raised in answering, told in a sentence: bad input, or a fault of ours."""
    if isinstance(fault, ClientDisconnect | WebSocketDisconnect):  # nobody is there to be told
        return None if isinstance(asked, WebSocket) else Response()
    said = sentence(fault, address(asked.scope))
    if isinstance(asked, WebSocket):
        with suppress(WebSocketDisconnect, RuntimeError):  # the page was closed
            if asked.application_state is WebSocketState.CONNECTING:
                await asked.accept()
            await asked.send_text(words({"refused": said}))
            await asked.close()
        return None
    kinds = (FileNotFoundError, 404), (TooLargeError, 413), (bad_input(), 400)
    return told({"said": said}, next((x for kind, x in kinds if isinstance(fault, kind)), 500))


async def _asked(request: Request) -> dict[str, Any]:
    """The JSON of a message to us. Raises ValueError."""
    try:
        content = parsed(await request.body())
    except NotJsonError:
        content = None
    if not isinstance(content, dict):
        raise InputError("A message to the studio is JSON, names and values.")
    return content


async def _gone(ws: WebSocket) -> None:
    """Comes back when the page is closed."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await ws.receive_text()


def listening(port: int) -> socket.socket:
    """A socket of this machine alone. Raises ValueError where the port is taken."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
        made.listen()
    except OSError as fault:
        made.close()
        if fault.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = "taken by another program" if fault.errno == errno.EADDRINUSE else "not allowed"
        raise InputError(
            f"Port {port} is {why}; choose another --port, or 0 for one that is free."
        ) from None
    return made


def settings(app: ASGIApp) -> uvicorn.Config:
    """How it is served."""
    return uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=LARGEST,
        ws_per_message_deflate=False,  # pictures are compressed already
        server_header=False,
        timeout_graceful_shutdown=1,
    )


def serve(
    root: Path,
    *,
    check: Callable[[list[str]], Any],
    port: int = 0,
    browser: bool = True,
    trust: str | None = None,
) -> None:
    """Serve the studio until Ctrl-C; `check` is as for Jobs. Raises ValueError where the port is
    taken."""
    with listening(port) as place:
        port, token = place.getsockname()[1], secrets.token_urlsafe(24)
        address = f"http://{HOST}:{port}/{token}/"
        print(f"The studio is at {address} (Ctrl-C ends it)", flush=True)
        if browser:
            webbrowser.open(address)
        app = Guard(application(Shelf(root), Jobs(trust, check)), token, port)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings(app)).run(sockets=[place])
        print("The studio has ended; what trains goes on by itself.", file=sys.stderr)
