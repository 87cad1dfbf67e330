"""The jobs that Slurm is given: by a sbatch that writes down what it gets, and by submitit's own
local jobs. There is no Slurm in these tests."""

import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from palestra.faults import InputError
from palestra.tools.cli import main
from palestra.tools.sweeps import slurm

pytest.importorskip("submitit")
STOPPED = """
import signal, sys, time
from pathlib import Path
told = Path(sys.argv[1])
def stop(number, frame):
    told.write_text(told.read_text() + "checkpoint ")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
again = told.exists()
told.write_text(told.read_text() + "again" if again else "begun ")
if not again:
    time.sleep(60)
"""


@pytest.fixture
def sbatch(tmp_path, monkeypatch) -> Path:
    """Slurm's commands, of which sbatch writes down the job; where it does."""
    tools, jobs = tmp_path / "bin", tmp_path / "jobs"
    tools.mkdir()
    jobs.mkdir()
    (tools / "srun").write_text("#!/bin/sh\n")
    (tools / "sbatch").write_text(
        f'#!/bin/sh\nn=$(ls {jobs} | wc -l)\ncp "$1" {jobs}/$n\necho Submitted batch job 4$n\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return jobs


def test_jobs_are_workers_that_are_queued_anew_and_warned_before_the_limit(
    sbatch, tmp_path, capsys
):
    place = tmp_path / "s"
    ask = ["sweep", "q_learning", "FrozenLake-v1", "--learning-rate", "0.1", "0.2", "--slurm"]
    ask += ["--folder", str(place), "--steps", "500", "--seeds", "1", "--workers", "2"]
    assert main([*ask, "--slurm-options", "partition=cpu", "mem_gb=4", "timeout_min=30"]) == 0
    assert "Jobs of Slurm: 40, 41." in capsys.readouterr().err
    jobs = [job.read_text() for job in sorted(sbatch.iterdir())]
    assert len(jobs) == 2
    for line in ("--requeue", "--signal=USR2@180", "--partition=cpu", "--time=30", "--mem=4GB"):
        assert f"#SBATCH {line}\n" in jobs[0], jobs[0]
    words = slurm.command(place, ["my_file"])
    assert words == [sys.executable, *f"-m palestra work {place} --trust my_file".split()]
    assert len(list((place / "runs").iterdir())) == 2
    assert main([*ask, "--slurm-options", "partitoin=cpu"]) == 2
    assert "submitit does not take this for Slurm" in capsys.readouterr().err
    assert main([*ask, "--slurm-options", "partition"]) == 2
    assert "takes options as NAME=VALUE" in capsys.readouterr().err


def test_without_slurm_or_submitit_a_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="there is no srun here"):
        slurm.executor(tmp_path, [])
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r"pip install 'palestra\[sweep\]'"):
        slurm.executor(tmp_path, [])


def test_a_warned_job_stops_its_worker_in_good_order_and_begins_again(tmp_path):
    import submitit

    told = tmp_path / "told"
    work = slurm.Work([sys.executable, "-c", STOPPED, str(told)])
    made = submitit.AutoExecutor(folder=tmp_path / "jobs", cluster="local")
    made.update_parameters(timeout_min=30)
    job = made.submit(work)
    while not told.exists() or not told.read_text():
        time.sleep(0.1)
    # submitit's own `_interrupt` ends what watches over the job, not the job (1.5.4).
    (task,) = psutil.Process(job._process.pid).children()
    task.send_signal(signal.SIGUSR2)
    assert job.result() == 0
    assert told.read_text() == "begun checkpoint again"
