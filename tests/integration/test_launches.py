"""However a launch ends, nothing of it is left: no process, no file in /dev/shm, no port (launches.py)."""

import pytest

from tests.integration.launches import WAYS, left_by


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_launch_leaves_nothing_behind(way, tmp_path):
    assert not left_by(way, tmp_path)
