"""Curves that grow."""

import json

import pytest

from palestra.tools.studio import live
from palestra.tools.studio.live import Curve


def line(step, **numbers):
    return (
        json.dumps({"step": step, "ended_at": [], "returns": [], "lengths": [], **numbers}) + "\n"
    )


def steps(curve):
    return [x["step"] for x in curve.points]


def test_only_what_is_new_is_read_and_what_was_cut_off_is_read_again(tmp_path, monkeypatch):
    curve, path = Curve(tmp_path), tmp_path / "metrics.jsonl"
    assert not curve.follow()
    path.write_text(line(1) + line(2, loss=float("nan")) + line(3)[:9])
    assert curve.follow()
    assert not curve.follow()
    assert curve.since(0, 1) == {"epoch": 0, "at": 1, "each": 1, "points": [{"step": 2}]}
    with path.open("a") as file:
        file.write(line(3)[9:] + "no JSON\n" + line(4, evaluation=[1.0, 3.0]))
    assert curve.follow()
    assert steps(curve) == [1, 2, 3, 4]
    assert curve.points[-1]["evaluation"] == 2.0
    assert 1.0 <= curve.points[-1]["low"] < curve.points[-1]["high"] <= 3.0
    path.write_text(line(1) + "".join(line(10 * i) for i in range(1, 9)))  # resumed before it
    assert curve.follow()
    assert steps(curve) == [1, *range(10, 90, 10)]
    assert curve.since(0, 4)["at"] == 0
    monkeypatch.setattr(live, "CHUNK", 50)  # less than a line
    with path.open("a") as file:
        file.write("".join(line(100 * i) for i in range(1, 4)))
    curve.follow()
    assert steps(curve)[-3:] == [100, 200, 300]


def test_a_long_curve_is_thinned_by_means(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "MOST", 4)
    curve, path = Curve(tmp_path), tmp_path / "metrics.jsonl"
    path.write_text("".join(line(i, loss=float(i)) for i in range(1, 17)))
    curve.follow()
    assert (curve.each, curve.epoch) == (4, 2)
    assert steps(curve) == [4, 8, 12, 16]
    assert [x["loss"] for x in curve.points] == pytest.approx([2.5, 6.5, 10.5, 14.5])
    with path.open("a") as file:
        file.write(line(17, loss=3.0))
    curve.follow()
    assert curve.since(2, 4)["points"] == [{"step": 17, "loss": 3.0}]  # not full yet
