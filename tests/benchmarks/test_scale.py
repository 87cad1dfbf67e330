"""The model of many machines: what must hold whatever its figures are."""

import runpy
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scale():
    return runpy.run_path(str(BENCHMARKS / "scale.py"))


@pytest.fixture(scope="module")
def ideal(scale):
    """Machines alike, between which nothing takes time."""
    own = scale["Own"](0.0, 0.0, 0.0, 0)
    net = scale["Net"](
        bandwidth=1e18,
        latency=0.0,
        near_by=0.0,
        file_ops=1e18,
        spread=0.0,
        seen=0,
        learner=1e18,
    )
    return own, net


@pytest.mark.parametrize("name", ["sweep", "actors", "devices", "near", "one_batch"])
def test_where_nothing_is_in_the_way_so_many_machines_are_as_many(scale, ideal, name):
    found = scale["simulated"](*ideal)[name]
    np.testing.assert_allclose(found, scale["MACHINES"], rtol=1e-3)


def test_the_same_figures_give_the_same_table(scale):
    own, net = scale["Own"](), scale["Net"]()
    once = scale["simulated"](own, net)
    assert once == scale["simulated"](own, net)
    assert all(
        rate <= count * 1.05
        for rates in once.values()
        for rate, count in zip(rates, scale["MACHINES"], strict=True)
    )
    assert f"| {scale['MACHINES'][-1]:,} |" in scale["table"](own, once)


def test_where_it_bends(scale):
    own, net = scale["Own"](), scale["Net"]()
    rates = lambda **changes: scale["simulated"](own, net._replace(**changes))
    assert rates(file_ops=50.0)["sweep"][-1] < rates()["sweep"][-1]
    assert rates(learner=1e4)["actors"][-1] < rates()["actors"][-1]
    assert rates(bandwidth=1e8)["devices"][-1] < rates()["devices"][-1]
