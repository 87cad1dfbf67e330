"""A studio that serves a folder of runs, how a page asks it, and agents to play."""

import http.client
import json
import threading
from pathlib import Path
from typing import Any, NamedTuple

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

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/{TOKEN}/"

    def ask(self, path, *, token=TOKEN, body=None, origin=None, host=None):
        """Status, and what was answered."""
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


def agent_of(env_id, algorithm, **kwargs):
    """An agent that has learned nothing."""
    task = task_of(env_id, kwargs)
    spec = Spec(*task.spaces()[:2], 1)
    return Agent.of(algorithm, spec, task, algorithm.init(spec, prng.key(1)), None)
