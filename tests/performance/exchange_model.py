"""docs/growth.md: how the exchange of a step grows with the number of ranks, by a stated model. Nothing is measured.

.venv/bin/python3 -m tests.performance.exchange_model > docs/growth.md
.venv/bin/python3 -m tests.performance.exchange_model --model-ranks 64 --bandwidth-gbit 25 --elements 22372544
"""

import argparse
from typing import NamedTuple

from tests.support.exchange_formula import BUCKET, between_hosts, equal_shards, host_pieces, ring_bytes

DOCUMENT = """\
# Growth, by a model

Nothing on this page was measured: no machine with so many ranks was at hand. Counts follow from the formulas of
[collectives](collectives.md), which `python -m tests.performance.bench growth` checks against runs of up to 32 ranks.
Times follow from the assumptions below. `python -m tests.performance.exchange_model` prints this page, and has options
for other assumptions.

{table}

All counts are per host and step; MiB are those of the host that sends most. The bytes of the gradient exchange stay
below twice the size of the gradients. But from some hundred ranks on, the gathers in which each rank writes to all
others cost more than that exchange. There, one rank of each host would have to gather for all of them.

Assumed:

- {ranks_per_host} ranks per host, which share its memory; {elements} elements (ResNet-18 has 11173962) in equal shards;
  {micro_batches} micro-batches per rank, so that K grows with N.
- Each message costs its sending host {latency_us:g} us, one after the other. A host has one link of
  {bandwidth_gbit:g} Gbit/s in each direction, used by its own bytes alone: no contention inside the network.
- Within a host, the gradients of all ranks are read once, and sum and parameters written once, at
  {memory_gbyte:g} GB/s.
- Control messages are rank 0's orders, a binomial tree ceil(log2 N) messages deep, and the gathers of sizes and block
  sums, in which each rank writes to all others: 2 (N - 1) messages each. Those that leave a host leave it one by one.
- Nothing overlaps with computation, and no rank is late.
- The ring is an all-reduce over H hosts, 2 (H - 1) messages. It would need the same work in memory, which is not
  counted.
"""
HEADER = (
    "N",
    "hosts",
    "K",
    "messages",
    "MiB sent",
    "control messages",
    "in memory, ms",
    "exchange, ms",
    "control, ms",
    "together, ms",
    "ring between hosts, ms",
)


class Model(NamedTuple):
    elements: int
    ranks_per_host: int
    micro_batches: int
    latency_us: float
    bandwidth_gbit: float
    memory_gbyte: float


class Growth(NamedTuple):
    ranks: int
    hosts: int
    leaves: int
    messages: int
    bytes: int
    control_messages: int
    memory_s: float
    exchange_s: float
    control_s: float
    ring_s: float


def add_options(parser):
    parser.add_argument("--model-ranks", type=int, nargs="+", default=[64, 512, 4096], metavar="N")
    parser.add_argument("--elements", type=int, default=11_173_962, help="of the flat buffer (11173962: ResNet-18)")
    parser.add_argument("--ranks-per-host", type=int, default=8, help="(8)")
    parser.add_argument("--micro-batches", type=int, default=4, help="a rank and step (4)")
    parser.add_argument("--latency-us", type=float, default=5, help="of a message (5)")
    parser.add_argument("--bandwidth-gbit", type=float, default=100, help="of a host's link, Gbit/s (100)")
    parser.add_argument("--memory-gbyte", type=float, default=20, help="of a host's memory, GB/s (20)")


def model_of(options):
    return Model(**{name: getattr(options, name) for name in Model._fields})


def ranks_of_hosts(model, ranks):
    full, rest = divmod(ranks, model.ranks_per_host)
    return [model.ranks_per_host] * full + [rest] * (rest > 0)


def predicted(model, ranks):
    members = ranks_of_hosts(model, ranks)
    per_host, peers, leaves = members[0], len(members) - 1, ranks * model.micro_batches
    sizes = equal_shards(model.elements, ranks)
    sent = max(between_hosts(leaves, sizes, members))
    buckets = -(-per_host * max(sizes) // BUCKET)
    messages = peers * (max(host_pieces(leaves, ranks, members)) * buckets + 1)
    control = per_host * 2 * (ranks - per_host) + (ranks - 1).bit_length() if peers else 0

    def seconds(messages, sent):
        return messages * model.latency_us * 1e-6 + sent * 8 / (model.bandwidth_gbit * 1e9)

    memory = 4 * model.elements * (per_host + 2) / (model.memory_gbyte * 1e9)
    return Growth(
        ranks,
        len(members),
        leaves,
        messages,
        sent,
        control,
        memory,
        seconds(messages, sent),
        seconds(control, 0),
        seconds(2 * peers, ring_bytes(model.elements, len(members))),
    )


def cells(growth):
    together = growth.memory_s + growth.exchange_s + growth.control_s
    times = (growth.memory_s, growth.exchange_s, growth.control_s, together, growth.ring_s)
    return [
        str(growth.ranks),
        str(growth.hosts),
        str(growth.leaves),
        str(growth.messages),
        f"{growth.bytes / 2**20:.1f}",
        str(growth.control_messages),
        *(f"{seconds * 1e3:.2f}" for seconds in times),
    ]


def table(model, numbers):
    rows = [HEADER, ["---"] * len(HEADER), *(cells(predicted(model, ranks)) for ranks in numbers)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def document(model, numbers):
    return DOCUMENT.format(table=table(model, numbers), **model._asdict())


def options_from_command_line(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = options_from_command_line()
    print(document(model_of(given), given.model_ranks), end="")
