"""Flips bits at random in one rank's gradients, on simulated hosts. Checks that the audit finds each flip within the
expected number of steps and names the right rank and host, and that many audits without a flip raise no alarm.

Run as root, with lockstep built; prints a line for each flip, and the counts. test_audit_on_clusters.py runs a few.

    python -m tests.cluster.audit_matrix --flips 50 --checks 10000
"""

import argparse
import json
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support.audits import ALL, FLIPPING, audit_of, flips, set_aside
from tests.support.cluster import Cluster
from tests.support.launching import QUICKSTART, WORKER, result_of, set_options

STEPS, EVERY, MICRO_BATCHES, ELEMENTS = 30, 3, 8, 784 * 16 + 16 + 16 * 10 + 10
SETTINGS = {
    "model.name": "mlp",
    "model.hidden_sizes": [16],
    "data.train_samples": 2048,
    "data.test_samples": 100,
    "training.batch_size": 128,
    "training.gradient_accumulation_steps": 2,
    "training.micro_batch_size": 32,
    "training.epochs": 10,
    "training.max_steps": STEPS,
    "training.evaluate_every_epochs": 0,
    "checkpoint.every_epochs": 0,
    "reliability.audit_every": EVERY,
}
NAMED = re.compile(r"error: rank (\d+) on (\w+): what it computes is wrong \(step (\d+), micro-batch (\d+),")


class Case(NamedTuple):
    ranks_per_host: tuple
    rank: int
    host: str
    first_step: int  # steps done before the first flip
    found_after: int  # steps done before the step in which it is found
    environment: dict
    words: str

    @property
    def found_at_once(self):
        return self.found_after == self.first_step


def random_case(draw, number, hosts):
    """Every other flip happens once, in a micro-batch that is audited. The others affect everything that the rank
    computes from a step on. Those need more than two ranks on hosts, since two ranks could not tell who is wrong, and
    not the highest bits, which would not be silent."""
    once = number % 2 == 0
    placements = [(1, 1, 1), (2, 1, 1), (1, 0, 2), (1, 2, 2)] + [(1, 1, 0), (0, 2, 0)] * once
    ranks_per_host = draw.choice(placements) + (0,) * (hosts - 3)
    ranks = sum(ranks_per_host)
    audits = {step: audit_of(step, MICRO_BATCHES, ranks) for step in range(EVERY - 1, STEPS, EVERY)}
    element, bit = draw.randrange(ELEMENTS), draw.randrange(32 if once else 23)
    if once:
        first_step = found_after = draw.choice(list(audits))
        micro_batch, rank, _ = audits[found_after]
    else:
        first_step, rank, micro_batch = draw.randrange(STEPS // 3), draw.randrange(ranks), ALL
        found_after = min(step for step, (_, *involved) in audits.items() if step >= first_step and rank in involved)
    host = [f"n{i + 1}" for i, count in enumerate(ranks_per_host) for _ in range(count)][rank]
    words = f"{ranks} ranks, rank {rank} on {host}, bit {bit} of gradient {element}, " + (
        f"once in step {first_step + 1}" if once else f"always from step {first_step + 1} on"
    )
    return Case(
        ranks_per_host,
        rank,
        host,
        first_step,
        found_after,
        flips(rank, first_step, micro_batch, 32 * element + bit),
        words,
    )


def train(cluster, program, output, ranks_per_host, environment=(), **settings):
    command = [program, QUICKSTART, "--output", output, *set_options(SETTINGS | settings)]
    flags = [word for name in environment for word in ("-x", name)]
    return cluster.mpirun(command, ranks_per_host, flags=flags, env=dict(environment), timeout=300)


def clean_state(cluster, folder):
    output = folder / "clean"
    outcome = train(cluster, WORKER, output, (1,) + (0,) * (len(cluster.host_names) - 1))
    assert outcome.exit_code == 0, outcome.output
    return result_of(output)["state_hash"]


def mistake_in(cluster, case, output, clean):
    """What went wrong; "" if nothing did."""
    outcome = train(cluster, FLIPPING, output, case.ranks_per_host, case.environment)
    expected = (str(case.rank), case.host, str(case.found_after + 1))
    found = NAMED.search(outcome.output)
    if outcome.exit_code != 7 or not found or found.groups()[:3] != expected:
        return f"exit code {outcome.exit_code} instead of {expected}\n{outcome.output}"
    if set_aside(output) != [(case.host, case.rank, case.found_after + 1)]:
        return f"set_aside.json has {set_aside(output)}"
    if not case.found_at_once:
        return ""  # earlier steps were wrong but not audited
    others = tuple(0 if f"n{i + 1}" == case.host else 1 for i in range(len(case.ranks_per_host)))
    train(cluster, WORKER, output, others)
    state = result_of(output)["state_hash"]
    return "" if state == clean else f"the step done again on other hosts ended in {state}"


def false_alarms(cluster, checks, folder):
    """The number of false alarms, 0 or 1: a run ends with its first alarm."""
    outcome = train(
        cluster,
        WORKER,
        folder / "checks",
        (2,) + (0,) * (len(cluster.host_names) - 1),
        **{
            "reliability.audit_every": 1,
            "training.epochs": checks // 8 + 1,
            "training.max_steps": checks,
            "training.log_every_steps": 1000,
        },
    )
    assert outcome.exit_code in (0, 7), outcome.output
    return outcome.exit_code // 7


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=50)
    parser.add_argument("--checks", type=int, default=10000, help="without a flip")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, found = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as folder, Cluster(hosts=3) as cluster:
        folder = Path(folder)
        clean = clean_state(cluster, folder)
        for number in range(options.flips):
            case = random_case(draw, number, hosts=3)
            mistake = mistake_in(cluster, case, folder / str(number), clean)
            found += not mistake
            print(f"{case.words}: {mistake or f'found in step {case.found_after + 1}'}", flush=True)
        alarms = false_alarms(cluster, options.checks, folder) if options.checks else 0
    print(
        json.dumps({"flips": options.flips, "found_and_named": found, "clean_checks": options.checks, "alarms": alarms})
    )
    sys.exit(found < options.flips or alarms > 0)


if __name__ == "__main__":
    main()
