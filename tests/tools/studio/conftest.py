"""A studio that serves two runs."""

import pytest
from run_folders import write_run
from studios import serving


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    root = tmp_path_factory.mktemp("studio") / "runs"
    write_run(root / "one")
    write_run(root / "more" / "seed1", seed=1, learning_rate=0.01, state="died")
    yield from serving(root)
