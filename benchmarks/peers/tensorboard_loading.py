"""The curves of a run as TensorBoard's events, and TensorBoard's own loader on them.

python tensorboard_loading.py write METRICS FOLDER    of metrics.jsonl, an event a number
python tensorboard_loading.py load FOLDER             seconds, and numbers that were read
"""

import json
import sys
import time
from pathlib import Path

LISTS = "ended_at", "returns", "lengths", "evaluation"  # in a line, which else has numbers


def write(metrics: Path, folder: str) -> None:
    """As SummaryWriter.add_scalar of torch and tensorboardX does: an event for each number."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(folder)

    def add(step: int, name: str, value: float) -> None:
        told = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        writer.add_event(Event(step=step, wall_time=time.time(), summary=told))

    with metrics.open() as lines:
        for line in map(json.loads, lines):
            for name in line.keys() - {"step", "episodes", *LISTS}:
                add(line["step"], name, line[name])
            for step, total in zip(line["ended_at"], line["returns"], strict=True):
                add(step, "episodic_return", total)
            if evaluation := line.get("evaluation"):
                add(line["step"], "evaluation", sum(evaluation) / len(evaluation))
    writer.close()


def load(folder: str) -> None:
    begun = time.perf_counter()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    there = EventAccumulator(folder, {"scalars": 0}).Reload()  # 0: all of them, as we draw
    read = sum(len(there.Scalars(tag)) for tag in there.Tags()["scalars"])
    print(json.dumps({"seconds": time.perf_counter() - begun, "read": read}))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), sys.argv[3])
    else:
        load(sys.argv[2])
