"""`lockstep why` names the culprit of each class of fault. culprits.py tries more faults, measures how long it takes,
and counts false alarms."""

import random

import pytest

from tests.cluster.conftest import require
from tests.cluster.culprits import FAULTS, try_fault

SECONDS = 15  # 5 s, and more for a busy machine; culprits.py measures the median


@pytest.mark.parametrize("fault", FAULTS)
def test_why_names_class_rank_and_host(programs, fault):
    require()
    _, wrong, seconds = try_fault(fault, ranks=3, draw=random.Random(fault))
    assert not wrong
    assert seconds < SECONDS
