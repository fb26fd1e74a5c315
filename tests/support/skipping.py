"""What a test reports that cannot run on this machine."""

import os

import pytest


def cannot_run(reason):
    """Skips the test with this reason; if CI=true, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; CI must be able to run this test", pytrace=False)
    pytest.skip(reason)
