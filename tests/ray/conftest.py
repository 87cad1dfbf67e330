"""A cluster of three nodes, on loopback alone, that all tests share."""

import os
import signal
import sys
from pathlib import Path

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # nodes on loopback alone
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
sys.path.insert(0, str(Path(__file__).parent))  # which actors have, too

import psutil
import pytest
import ray
import worlds
from ray.cluster_utils import Cluster

from palestra.envs.host import actors, make_from


@pytest.fixture(scope="session")
def alone():
    """A Ray of our own: what it is reached by, and what was asked of signals, while it runs."""
    before = signal.getsignal(signal.SIGTERM)
    envs = make_from(worlds.Frail, 2, actors=2).envs
    here = psutil.Process()
    family = [here, *here.children(recursive=True)]
    heard = {
        (one.name(), place.laddr.ip)
        for one in family
        for place in one.net_connections("inet")
        if place.status == psutil.CONN_LISTEN
    }
    handler = signal.getsignal(signal.SIGTERM)
    envs.close()
    return heard, handler is before, ray.is_initialized(), here.children(recursive=True)


@pytest.fixture(scope="session")
def cluster(alone):
    """Three nodes, of which the first is only the head; it is what RAY_ADDRESS says."""
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
    head = {"num_cpus": 0, "_system_config": quick, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=4)
    made.add_node(num_cpus=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(actors.ADDRESS, made.address)
        actors.borrow(2)  # so that nobody has to join it again
        yield made
    ray.shutdown()
    made.shutdown()
