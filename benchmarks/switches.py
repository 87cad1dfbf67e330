"""Every algorithm trains, and its agent is read, whatever is switched on in JAX.

    python benchmarks/switches.py            a row for each algorithm and switch; about ten minutes
    python benchmarks/switches.py ppo sac    those alone

Each row is `palestra train` and `palestra evaluate` in processes of their own, with the switch in
the environment. A run without a switch stands beside: its agent must be the same to the last bit.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from palestra.algorithms import ALGORITHMS

SWITCHES = ["", "JAX_ENABLE_X64", "JAX_DEBUG_NANS"]
SMALL = ["--steps", "400", "--num-envs", "4", "--episodes", "2", "--quiet", "--no-video"]
NETWORK = ["--hidden", "8"]
REPLAY = [*NETWORK, "--learning-starts", "100"]
TABLES = [name for name, row in ALGORITHMS.items() if row.observations == ("discrete",)]
TASKS = {
    **dict.fromkeys(TABLES, "FrozenLake-v1"),
    **dict.fromkeys(["ddpg", "td3", "sac"], "Pendulum-v1"),
    **dict.fromkeys(["reinforce", "actor_critic", "a2c", "a3c", "ppo", "pqn"], "CartPole-v1"),
    **dict.fromkeys(["dqn", "c51", "qr_dqn", "rainbow"], "CartPole-v1"),
}
FLAGS = dict.fromkeys(["dqn", "c51", "qr_dqn", "rainbow", "ddpg", "td3", "sac"], REPLAY) | (
    dict.fromkeys(["reinforce", "actor_critic", "a2c", "a3c", "ppo", "pqn"], NETWORK)
)


def outcome(name: str, switch: str, folder: Path) -> str:
    """What came of a run: "trained", or the last line of what was said."""
    surroundings = os.environ | ({switch: "1"} if switch else {})
    train = ["train", name, TASKS[name], *FLAGS.get(name, []), *SMALL, "--run", str(folder)]
    for command in train, ["evaluate", str(folder), "--episodes", "2"]:
        done = subprocess.run(
            [sys.executable, "-m", "palestra", *command],
            env=surroundings,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return f"{command[0]}: {done.stderr.strip().splitlines()[-1][:90]}"
    return "trained"


def main() -> int:
    """Print the table; 1 where a cell is wrong."""
    wrong = False
    print("| algorithm | switch | outcome | agent as without |\n|---|---|---|---|", flush=True)
    for name in sys.argv[1:] or TASKS:
        with tempfile.TemporaryDirectory() as place:
            agents = set()
            for switch in SWITCHES:
                folder = Path(place) / (switch or "none")
                said = outcome(name, switch, folder)
                file = folder / "last.safetensors"
                agents.add(file.read_bytes() if file.is_file() else b"")
                same = len(agents) == 1 and b"" not in agents
                wrong |= said != "trained" or not same
                row = f"| {name} | {switch or 'none'} | {said} | {'yes' if same else 'no'} |"
                print(row, flush=True)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
