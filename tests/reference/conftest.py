"""Fixtures of the comparisons with independent references."""

import os

import pytest

from tests.reference.runs import DATA, Run

FIGURES = []


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("figures")
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture
def note(request):
    """note(text): shows a measured figure of this test at the end of the output."""
    return lambda text: FIGURES.append(f"{request.node.name}: {text}")


@pytest.fixture(scope="session")
def fashion_mnist():
    if not DATA.is_dir():
        reason = f"{DATA} is missing (package dataset-fashion-mnist)"
        pytest.fail(reason, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(reason)


@pytest.fixture(scope="module")
def lockstep(fashion_mnist, tmp_path_factory):
    """lockstep(config, ranks=1) trains and returns the Run; a run that is requested twice is done once."""
    done = []

    def lockstep(config, ranks=1):
        for known, known_ranks, run in done:
            if (known, known_ranks) == (config, ranks):
                return run
        run = Run(config, tmp_path_factory.mktemp("lockstep") / "under_test", ranks)
        done.append((config, ranks, run))
        return run

    return lockstep
