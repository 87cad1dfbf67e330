"""A studio that serves a folder of runs, how a page asks it, and agents to play."""

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import uvicorn
from websockets.sync.client import connect

from palestra import prng
from palestra.core import Spec
from palestra.tools.agents.agent import Agent
from palestra.tools.environments.whose import task_of
from palestra.tools.studio import server
from palestra.tools.studio.jobs import Jobs
from palestra.tools.studio.shelf import Shelf

TOKEN = "right"


class Studio(NamedTuple):
    root: Path
    port: int
    token: str = TOKEN

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def ask(self, path, *, token=None, body=None, origin=None, host=None):
        """Status, and what was answered."""
        token = self.token if token is None else token
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Host": host or f"127.0.0.1:{self.port}"}
        headers |= {"Origin": origin} if origin else {}
        asked.request("POST" if body is not None else "GET", f"/{token}/{path}", body, headers)
        answer = asked.getresponse()
        text = answer.read()
        asked.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json else text

    def listen(self, path, *, token=TOKEN, origin: Any = "own"):
        """A WebSocket, as a page of the studio opens it."""
        origin = f"http://127.0.0.1:{self.port}" if origin == "own" else origin
        return connect(f"ws://127.0.0.1:{self.port}/{token}/{path}", origin=origin, max_size=None)


def serving(root):
    with server.listening(0) as socket:
        port = socket.getsockname()[1]
        jobs = Jobs(None)
        app = server.Guard(server.application(Shelf(root), jobs), TOKEN, port)
        serves = uvicorn.Server(server.settings(app))
        thread = threading.Thread(target=serves.run, args=[[socket]])
        thread.start()
        try:
            yield Studio(root, port)
        finally:
            serves.should_exit = True
            thread.join()
            for child in jobs.children:  # they have been told to stop
                child.wait(timeout=60)


@contextmanager
def apart(root: Path) -> Iterator[tuple[psutil.Process, Studio]]:
    """A studio in a process of its own, which is killed at the end, as by `kill -9`."""
    command = [sys.executable, "-m", "palestra", "studio", str(root), "--no-browser"]
    with psutil.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            *_, place, token, _ = child.stdout.readline().split()[4].split("/")
            yield child, Studio(root, int(place.partition(":")[2]), token)
        finally:
            child.kill()


def agent_of(env_id, algorithm, limit=None, **kwargs):
    """An agent that has learned nothing."""
    task = task_of(env_id, kwargs, limit)
    spec = Spec(*task.spaces()[:2], 1)
    return Agent.of(algorithm, spec, task, algorithm.init(spec, prng.key(1)), None)
