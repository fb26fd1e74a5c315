"""What a test says that cannot run here."""

import os

import pytest


def cannot_run(reason):
    """Skips the test with the reason; where CI=true that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; CI must be able to run this test", pytrace=False)
    pytest.skip(reason)
