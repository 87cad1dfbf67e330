"""What is learned here is learned at the speed, and to the bits, that users have."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def as_for_users(optimized):
    """Nothing of its own."""
