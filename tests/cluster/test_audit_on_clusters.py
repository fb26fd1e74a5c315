"""A few flips of audit_matrix.py, which runs many more by hand: the audit names the right host."""

import random

import pytest

from tests.cluster.audit_matrix import clean_state, mistake_in, random_case


@pytest.fixture(scope="module")
def clean(cluster, programs, tmp_path_factory):
    if not (programs / "worker_flipping_bits").is_file():
        pytest.fail("worker_flipping_bits is not there (build it first, or set LOCKSTEP_BIN)", pytrace=False)
    return clean_state(cluster, tmp_path_factory.mktemp("clean"))


@pytest.mark.parametrize("number", range(6))
def test_the_host_that_flips_a_bit_is_named(cluster, clean, tmp_path, number):
    assert not mistake_in(cluster, random_case(random.Random(number), number, hosts=3), tmp_path / "run", clean)
