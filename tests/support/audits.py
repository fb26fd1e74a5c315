"""Which micro-batch an audit picks and which rank recomputes it, written independently, and runs on hardware that
errs."""

import json

from tests.support.launching import MPI_ENVIRONMENT, PROGRAMS, QUICKSTART, WORKER, mpirun, run, set_options
from tests.support.reference import words

AUDIT = 12  # Purpose::audit
FLIPPING = PROGRAMS / "worker_flipping_bits"
ALL = -1  # micro-batches, in flips()


def audit_of(step, micro_batches, ranks, seed=0):
    """(micro-batch, owner, auditor) of the step after `step` steps."""
    first, second = (int(word) for word in words(seed, AUDIT, step, 0, 1)[:2])
    micro_batch = first * micro_batches >> 32
    owner = next(rank for rank in range(ranks) if micro_batch < micro_batches * (rank + 1) // ranks)
    return micro_batch, owner, (owner + 1 + (second * (ranks - 1) >> 32)) % ranks if ranks > 1 else owner


def flips(rank, step, micro_batch, place):
    """The environment in which the worker of FLIPPING flips a bit (tests/regression/planted/flips_gradient.cpp)."""
    return {"LOCKSTEP_FLIP": f"{rank} {step} {micro_batch} {place}"}


def train_on(program, output, ranks, settings, **environment):
    command = mpirun(ranks, [program, QUICKSTART, "--output", output, *set_options(settings)])
    return run(command, environment=MPI_ENVIRONMENT | environment)


def go_on(output, ranks, settings):
    """Continues the run on hardware that does not err."""
    outcome = train_on(WORKER, output, ranks, settings)
    assert outcome.exit_code == 0, outcome.output


def set_aside(output):
    """[(host, rank, step)] that the run has set aside for the next start."""
    path = output / "status" / "set_aside.json"
    if not path.exists():
        return []
    return [(entry["host"], entry["rank"], entry["step"]) for entry in json.loads(path.read_text())["hosts"]]
