"""`lockstep why` names the culprit of each class of fault; culprits.py tries more of them, measures how long it takes, and
counts false alarms."""

import random

import pytest
from conftest import require
from culprits import FAULTS, try_fault


@pytest.mark.parametrize("fault", FAULTS)
def test_why_names_class_rank_and_host(programs, fault):
    require()
    _, wrong, _ = try_fault(fault, ranks=3, draw=random.Random(fault))  # which gives up after half a minute
    assert not wrong
