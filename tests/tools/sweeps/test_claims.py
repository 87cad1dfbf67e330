"""Two workers never train one run, whatever their clocks say, and whoever stalls and comes back."""

import errno
import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from palestra.faults import InputError
from palestra.tools.files import write_whole
from palestra.tools.sweeps import claims
from palestra.tools.sweeps.claims import Worker, places, probe

pytestmark = pytest.mark.tiny
PATIENCE = 60.0


@pytest.fixture
def sweep(tmp_path) -> Path:
    for name in ("runs/0000-seed0", "workers"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/0000-seed0/metrics.jsonl").write_text("1\n")
    return tmp_path


def the_run(worker: Worker):
    (place,) = places(worker.runs)
    return place


def test_of_many_workers_that_race_one_gets_each_run(tmp_path):
    names = {f"{i:04}-seed0" for i in range(40)}
    for name in names:
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "workers").mkdir()
    got, begin = [], threading.Barrier(6)

    def race():
        with Worker(tmp_path, PATIENCE) as worker:
            begin.wait()
            for place in places(worker.runs):
                if (claim := worker.claim(place)) is not None:
                    got.append(claim)
            begin.wait()  # all live until the end

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claim.name for claim in got) == sorted(names)
    assert all(claim.ours for claim in got)


def test_a_run_is_handed_back_and_taken_again(sweep):
    with Worker(sweep, PATIENCE) as one, Worker(sweep, PATIENCE) as other:
        claim = one.claim(the_run(one))
        assert other.claim(the_run(other)) is None
        assert one.hand_back(claim)
        assert other.claim(the_run(other)).ours


def test_on_one_machine_a_dead_worker_is_known_at_once(sweep, monkeypatch):
    with Worker(sweep, PATIENCE) as one, Worker(sweep, PATIENCE) as other:
        one.claim(the_run(one))
        fcntl.flock(one._file, fcntl.LOCK_UN)  # as the system does where a process is killed
        monkeypatch.setattr(claims, "machine", lambda: "another one")
        assert other.claim(the_run(other)) is None
        monkeypatch.undo()
        assert other.claim(the_run(other)).ours


def test_elsewhere_it_is_known_by_a_count_that_stands_still_on_our_own_clock(sweep, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(claims.time, "monotonic", lambda: now)
    with Worker(sweep, PATIENCE) as one, Worker(sweep, PATIENCE) as other:
        one.claim(the_run(one))
        monkeypatch.setattr(claims, "machine", lambda: "another one")
        beat = lambda count: os.pwrite(one._file, f'{{"beats": "{count:012}'.encode(), 0)
        for count in range(4):
            beat(count)
            os.utime(one.path, (count, count))  # by its clock it is 1970
            assert not other.has_died(the_run(other).mark)
            now += 0.9 * PATIENCE
        beat(9)
        assert other.claim(the_run(other)) is None
        now += 1.1 * PATIENCE
        os.utime(one.path)  # by the disk's clock it was there just now
        assert other.claim(the_run(other)).ours


def test_a_worker_that_comes_back_reaches_nothing_of_what_was_taken_over(sweep, monkeypatch):
    with Worker(sweep, PATIENCE) as one, Worker(sweep, PATIENCE) as other:
        before = one.claim(the_run(one))
        opened = (before.folder / "metrics.jsonl").open("a")
        fcntl.flock(opened, fcntl.LOCK_EX)
        monkeypatch.setattr(other, "has_died", lambda mark: True)
        claim = other.claim(the_run(other))
        opened.write("2\n")
        opened.flush()
        opened.truncate(0)
        with pytest.raises(OSError, match="cannot be written"):
            write_whole(before.folder / "summary.json", lambda part: part.write_text("{}"))
        assert not before.ours
        assert not one.hand_back(before)
        assert [file.name for file in claim.folder.iterdir()] == ["metrics.jsonl"]
        assert (claim.folder / "metrics.jsonl").read_text() == "1\n"
        with (claim.folder / "metrics.jsonl").open("a") as ours:  # which it has not locked
            fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
        opened.close()


def test_a_worker_beats_while_it_lives(sweep):
    with Worker(sweep, patience=0.06) as one:
        seen, until = set(), time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < until:
            seen.add(one.path.read_bytes())
        assert len(seen) == 3
    assert not one.path.exists()


def without_locks(file, how):
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_disk_without_locks_or_renames_is_said_in_a_sentence(tmp_path, monkeypatch):
    probe(tmp_path)
    assert not any(tmp_path.iterdir())
    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(InputError, match=r"does not lock files \(No locks available\); name"):
        probe(tmp_path)
    monkeypatch.setattr(fcntl, "flock", lambda file, how: None)  # a lock that holds nobody off
    with pytest.raises(InputError, match="does not lock files; name"):
        probe(tmp_path)
    monkeypatch.setattr(claims, "moved", lambda source, target: True)
    with pytest.raises(InputError, match="does not rename folders, once and at once; name"):
        probe(tmp_path)
    assert not any(tmp_path.iterdir())
