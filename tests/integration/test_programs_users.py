"""Who may run the programs: root is told that Open MPI was allowed to run as root, and all other users get the same
state."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from tests.support.launching import (
    AS_ROOT,
    LOCKSTEP,
    PROGRAMS,
    QUICKSTART,
    WORKER,
    result_of,
    run,
    train,
    train_command,
)
from tests.support.skipping import cannot_run

NOBODY = 65534
STEPS = 12


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | {"training.max_steps": STEPS, "data.test_samples": 100}


@pytest.fixture(scope="module")
def state_hash(settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("reference") / "run"
    train(output, 2, settings)
    return result_of(output)["state_hash"]


def test_root_is_told_that_open_mpi_is_told_to_allow_it(root, settings, tmp_path):
    """Also if the environment does not allow it yet."""
    without = [word for name in AS_ROOT for word in ("-u", name)]
    outcome = run(["env", *without, *train_command(tmp_path / "run", 2, settings)])
    assert outcome.exit_code == 0, outcome.output
    assert "running as root" in outcome.stderr and "OMPI_ALLOW_RUN_AS_ROOT" in outcome.stderr


@pytest.fixture
def home_of_nobody(root):
    """A folder owned by the user nobody, who must be able to reach the programs."""
    if not shutil.which("setpriv"):
        cannot_run("setpriv was not found (package util-linux)")
    folder = Path(tempfile.mkdtemp(prefix="nobody-"))
    os.chown(folder, NOBODY, NOBODY)
    try:
        for program in (LOCKSTEP, WORKER):
            if run(as_nobody([program, "--version"])).exit_code != 0:
                cannot_run(f"the user {NOBODY} cannot start {program}: open {PROGRAMS} and torch's folder to all")
        yield folder
    finally:
        shutil.rmtree(folder)


def as_nobody(argv):
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", *argv]


def readable_by_all(settings, folder):
    """The settings, with a copy of the configuration and of the data in a folder that everybody can read."""
    shutil.copy(QUICKSTART, folder / "quickstart.toml")
    data = shutil.copytree(settings["data.path"], folder / "data")
    os.chmod(data, stat.S_IRWXU | stat.S_IROTH | stat.S_IXOTH)
    return settings | {"data.path": str(data)}, folder / "quickstart.toml"


def test_a_user_who_is_not_root_trains_too_and_gets_the_same_state(home_of_nobody, settings, state_hash):
    settings, config = readable_by_all(settings, home_of_nobody)
    command = train_command(home_of_nobody / "run", 2, settings, config=config)
    environment = {"HOME": str(home_of_nobody), "TMPDIR": str(home_of_nobody)}
    outcome = run(as_nobody(command), cwd=home_of_nobody, environment=environment)
    assert outcome.exit_code == 0, outcome.output
    assert "root" not in outcome.stderr
    assert os.stat(home_of_nobody / "run" / "result.json").st_uid == NOBODY
    assert result_of(home_of_nobody / "run")["state_hash"] == state_hash


def test_a_folder_that_a_user_may_not_write_is_refused(home_of_nobody, settings):
    settings, config = readable_by_all(settings, home_of_nobody)
    os.chown(home_of_nobody, 0, 0)
    os.chmod(home_of_nobody, 0o755)
    outcome = run(as_nobody(train_command(home_of_nobody / "run", 2, settings, config=config)), cwd=home_of_nobody)
    assert outcome.exit_code == 4, outcome.output
    for words in (str(home_of_nobody / "run"), "Permission denied", "--output"):
        assert words in outcome.stderr, outcome.output
    assert not (home_of_nobody / "run").exists()
