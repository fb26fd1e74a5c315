"""Launches of `lockstep train` and `lockstep submit` on simulated hosts, for the tests: starts them and reads their
output."""

import contextlib
import json
import os
import re
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("LOCKSTEP_BIN", REPOSITORY / "build" / "bin")).resolve()
LOCKSTEP = PROGRAMS / "lockstep"
CONFIG = REPOSITORY / "configs" / "quickstart.toml"
STEPS = 12
TINY = {
    "model.name": "mlp",
    "model.hidden_sizes": [16],
    "data.train_samples": 2048,
    "data.test_samples": 400,
    "training.batch_size": 128,
    "training.gradient_accumulation_steps": 2,
    "training.micro_batch_size": 32,
    "training.max_steps": STEPS,
    "run.seed": 1,
}
RUN_SECONDS = 120
# Settings of a job that a test ends early.
LONG = {
    "training.max_steps": 400,
    "training.epochs": 50,
    "training.log_every_steps": 1,
    "training.evaluate_every_epochs": 0,
    "checkpoint.every_epochs": 0,
}


def alone(output, settings):
    """The result of one rank on this machine."""
    done = subprocess.run(
        [LOCKSTEP, "train", CONFIG, *options(settings), "--output", output, "--ranks", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return result_of(output)


def options(settings):
    return [word for key, value in (TINY | settings).items() for word in ("--set", f"{key}={json.dumps(value)}")]


def result_of(output):
    return json.loads((output / "result.json").read_text())


def on_simulated_hosts(cluster):
    """The settings that Open MPI needs on simulated hosts; see Cluster.mpirun_command()."""
    return {
        "OMPI_MCA_pml": "ob1",
        "OMPI_MCA_btl": "tcp,self",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_orte_tmpdir_base": cluster.directory / "tmp",
    }


def run(cluster, argv, **environment):
    return cluster.run("head", argv, env=on_simulated_hosts(cluster) | environment, cwd=REPOSITORY, timeout=RUN_SECONDS)


def events_of(text, name):
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == name]


def hosts_of_ranks(output):
    [places] = events_of(output, "map")
    return [rank["host"] for rank in places["ranks"]]


def expect_equal(output, ranks, reference):
    result = result_of(output)
    assert (result["ranks"], result["steps"]) == (ranks, reference["steps"])
    assert (result["weights_hash"], result["state_hash"]) == (reference["weights_hash"], reference["state_hash"])


def submit(cluster, output, *arguments, settings=None):
    """Submits a job; returns its id and the path of its log, in which * stands for the tasks of an array."""
    argv = [
        LOCKSTEP,
        "submit",
        CONFIG,
        *options(settings or {}),
        "--output",
        output,
        "--nodes",
        "3",
        "--ntasks-per-node",
        "1",
        *arguments,
    ]
    outcome = run(cluster, argv)
    assert outcome.exit_code == 0, outcome.output
    [event] = events_of(outcome.output, "submitted")
    return event["job"], Path(event["log"])


def wait_until(is_so, what):
    """Polls until `is_so`, since Slurm does not notify of changes in its jobs."""
    deadline = time.monotonic() + RUN_SECONDS
    while not (answer := is_so()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)
    return answer


def field(cluster, job, name):
    """A field of Slurm's description of a job."""
    text = cluster.run("head", ["scontrol", "show", "job", job]).output
    return re.search(rf"\b{name}=(\S+)", text).group(1)


def text_of(log):
    return log.read_text() if log.exists() else ""


def wait_for_state(cluster, job, log, *states):
    wait_until(
        lambda: field(cluster, job, "JobState") in states,
        lambda: f"job {job} is {field(cluster, job, 'JobState')}\n{text_of(log)}",
    )


def wait_for_end(cluster, job, log):
    wait_for_state(cluster, job, log, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    return text_of(log)


def wait_for_event(log, name):
    wait_until(lambda: events_of(complete_lines(text_of(log)), name), lambda: f"no event {name}\n{text_of(log)}")


def complete_lines(text):
    return text[: text.rfind("\n") + 1]


def workers_of(cluster):
    """The ids of the cluster's ranks."""
    return processes_named(cluster, "lockstep-worker")


def processes_named(cluster, name):
    found = []
    for process_id in cluster.process_ids():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process_id}/comm").read_text().strip() == name:
                found.append(process_id)
    return found
