"""Fixtures of the tests that need several hosts. Run as root; see tests/support/cluster.py."""

import pytest

from tests.cluster.launched import PROGRAMS
from tests.support.cluster import Cluster, what_is_missing
from tests.support.skipping import cannot_run

SKIPPED = 77  # the exit code that ctest takes as "skipped" (SKIP_RETURN_CODE)


def require(**services):
    """Skips the test, with the reason, if hosts cannot be simulated here; if CI=true, fails it."""
    if missing := what_is_missing(**services):
        cannot_run(missing)


@pytest.fixture(scope="session")
def programs():
    """The folder with the built programs."""
    if not PROGRAMS.is_dir():
        pytest.fail(f"{PROGRAMS} is not there (build first, or set LOCKSTEP_BIN)", pytrace=False)
    return PROGRAMS


@pytest.fixture(scope="module")
def cluster():
    """Three hosts without a scheduler."""
    require()
    with Cluster(hosts=3) as three_hosts:
        yield three_hosts


@pytest.fixture(scope="module")
def slurm_cluster():
    """Three hosts with Slurm."""
    require(slurm=True)
    with Cluster(hosts=3, slurm=True) as three_hosts:
        yield three_hosts


def pytest_sessionfinish(session, exitstatus):
    """Tells ctest if no test at all could run, which pytest alone would report as success."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if exitstatus == 0 and reporter and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = SKIPPED
