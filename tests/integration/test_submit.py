"""What `lockstep submit` checks before a job is queued, and what it keeps; with an sbatch that accepts every job."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.launching import LOCKSTEP, set_options, train

NUMBER = 4711


@pytest.fixture
def queue(tmp_path):
    """A folder with an sbatch that records its arguments."""
    (tmp_path / "bin").mkdir()
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.write_text(f'#!/bin/sh\ncat "$2" >> {tmp_path}/taken\necho {NUMBER}\n')
    sbatch.chmod(0o755)
    (tmp_path / "run.toml").write_text("[model]\nname = 'mlp'\n")
    return tmp_path


def submit(queue, settings, *options):
    argv = [LOCKSTEP, "submit", "run.toml", *set_options(settings), *options]
    return subprocess.run(
        argv,
        cwd=queue,
        env=os.environ | {"PATH": f"{queue}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def settings(mlp):
    return mlp | {"training.max_steps": 1, "optimizer.learning_rate": 0.1}


def refused(queue, settings, *options):
    done = submit(queue, settings, *options)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert not (queue / "taken").exists() and done.stderr.count("\n") == 1
    return done.stderr


def test_the_script_is_kept_beside_the_run_folder_under_the_jobs_number(queue, settings):
    done = submit(queue, settings, "--output", "runs/mine", "--setup", "module load cuda", "--setup", ". ./site.sh")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert (answer["job"], answer["script"], answer["log"]) == (
        str(NUMBER),
        f"runs/mine-{NUMBER}.sh",
        f"runs/mine-{NUMBER}.log",
    )
    assert os.listdir(queue / "runs") == [f"mine-{NUMBER}.sh"]
    script = (queue / answer["script"]).read_text()
    assert script == (queue / "taken").read_text()
    assert script.startswith("#!/bin/bash -l\n") and "\nmodule load cuda\n" in script and "\n. ./site.sh\n" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


@pytest.mark.parametrize("key", ["data.path", "model.pretrained", "distillation.teacher"])
def test_files_that_this_host_does_not_see_are_named_unless_only_the_nodes_see_them(queue, settings, key):
    missing = settings | {key: "/scratch/of/the/nodes"}
    message = refused(queue, missing)
    assert f"{key}: /scratch/of/the/nodes cannot be read" in message and "--unchecked" in message
    assert submit(queue, missing, "--unchecked").returncode == 0


def test_a_run_with_another_plan_is_found_also_behind_a_seed(queue, settings):
    config = queue / "run.toml"
    train(queue / "runs/mine", 1, settings, config=config)
    (queue / "runs/mine").rename(queue / "runs/mine-seed-3")
    options = ("--output", "runs/mine", "--seeds", "0,3")
    message = refused(queue, settings, *options)
    assert "runs/mine-seed-3 holds a run with another plan (run.seed: 0 -> 3)" in message and "--fresh" in message
    message = refused(queue, settings | {"training.batch_size": 64}, "--output", "runs/mine-seed-3")
    assert "training.batch_size: 128 -> 64" in message
    (queue / "runs/mine-seed-3").rename(queue / "runs/mine")
    longer = settings | {"training.max_steps": 2}
    assert submit(queue, longer, "--output", "runs/mine").returncode == 0, "it may grow"
    assert submit(queue, settings | {"run.seed": 5}, "--output", "runs/mine", "--fresh").returncode == 0


def test_a_place_that_cannot_be_written_is_found_before(queue, settings):
    (queue / "file").write_text("")
    done = submit(queue, settings, "--output", "file/runs/mine")
    assert done.returncode == 4 and "file/runs/mine" in done.stderr and not (queue / "taken").exists()


def test_what_slurm_refuses_leaves_no_script_behind(queue, settings):
    Path(queue / "bin/sbatch").write_text("#!/bin/sh\necho 'invalid partition' >&2\nexit 1\n")
    assert "invalid partition" in refused(queue, settings, "--output", "runs/mine")
    assert os.listdir(queue / "runs") == []


def test_a_learning_rate_far_from_the_usual_is_a_warning_before_the_job_waits(queue, settings):
    done = submit(queue, settings | {"optimizer.learning_rate": 0.001})
    assert done.returncode == 0
    assert "warning: optimizer.learning_rate = 0.001 is far too low for sgd" in done.stderr
    assert "write config_version = 2" in done.stderr
