"""Two processes train one learner together: the first one writes, and what it says holds."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from palestra.tools.agents.agent import load
from palestra.tools.runs.reading import read_config
from palestra.tools.training.train import train

TASK = {"env": "CartPole-v1", "algorithm": "reinforce", "num_envs": 4, "steps": 1_280}
TASK |= {"hidden": (4,), "rollout_length": 64}
FEW = {"episodes": 1, "eval_every": 1_280, "video": False, "quiet": True}

# What both processes run: a whole training; one that is stopped, as by a break, and gone on with;
# and one in which the folder is already there, which the first one alone can see.
SCRIPT = """
import ast, json, os, sys
import jax
port, process, task = sys.argv[1], int(sys.argv[2]), ast.literal_eval(sys.argv[3])
from palestra.runners.devices import join
join(f"127.0.0.1:{port}", process, 2)
import palestra
made = [palestra.train(**task, run="whole")]
for event in palestra.training(**task, checkpoint_seconds=0, run="stopped"):
    if getattr(event, "step", 0) >= 512:
        break
made.append(palestra.resume("stopped", quiet=True))
try:
    made.append(palestra.train(**task, run="whole"))
except ValueError as fault:
    print(fault)
print(json.dumps([jax.process_index(), jax.device_count(), len(os.listdir("."))]))
print([x if isinstance(x, list) else str(x.folder) for x in made])
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    """Where both have trained, and what each has said."""
    folder, port = tmp_path_factory.mktemp("together"), str(free_port())
    for name in ("0", "1"):
        (folder / name).mkdir()
    (folder / "1" / "stopped").symlink_to(folder / "0" / "stopped")  # as a shared file system has
    command = [sys.executable, "-c", SCRIPT, port]
    running = [
        subprocess.Popen(
            [*command, process, repr(TASK | FEW)],
            cwd=folder / process,
            env=os.environ | {"PALESTRA_HOME": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in ("0", "1")
    ]
    for process, one in enumerate(running):
        out, told = one.communicate(timeout=900)
        assert one.returncode == 0, told
        (folder / f"said{process}").write_text(out)
    return folder


def test_process_0_alone_writes(together):
    assert sorted(x.name for x in (together / "1").iterdir()) == ["stopped"]
    assert "[0, 2, 2]" in (together / "said0").read_text()
    assert "[[], [" not in (together / "said0").read_text()
    assert "[[], " in (together / "said1").read_text()
    assert read_config(together / "0" / "whole")["flags"]["devices"] == 2


def test_what_only_process_0_refuses_ends_the_other_too(together):
    assert "whole exists already" in (together / "said0").read_text()


def test_they_learn_what_one_process_does(together, tmp_path):
    alone = train(**TASK, **FEW, run=tmp_path / "run")
    found, right = (
        load(x / "last.safetensors").arrays for x in (together / "0" / "whole", alone.folder)
    )
    assert found.keys() == right.keys()
    for name, array in right.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-3, atol=1e-5)


def test_a_stopped_run_goes_on_exactly(together):
    whole, stopped = together / "0" / "whole", together / "0" / "stopped"
    for name in ("metrics.jsonl", "agent.safetensors", "last.safetensors"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes()
