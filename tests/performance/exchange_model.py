"""A stated model of how the exchange of a step grows, for numbers of ranks that no machine here has.

It predicts; it measures nothing. print_table() prints its assumptions with the table.
"""
from typing import NamedTuple

from exchange_formula import BUCKET, between_hosts, equal_shards, host_pieces, ring_bytes

ASSUMPTIONS = """\
Assumed, not measured: {ranks_per_host} ranks a host, all of which share its memory; equal shards of {elements} elements;
{micro_batches} micro-batches a rank, so K grows with N. A message costs the host that sends it {latency_us:g} us, one after
another; a host has one link of {bandwidth_gbit:g} Gbit/s each way, which only its own bytes occupy (no contention inside the
network); within a host every rank's gradients are read once and the sum and the parameters written once, at
{memory_gbyte:g} GB/s. Control are the orders (a binomial tree, ceil(log2 N) messages deep) and the gathers of sizes and
block sums, in which every rank writes to all others: 2 (N - 1) messages, from all ranks of a host over its link.
Nothing overlaps with computation, nothing waits for a slow rank. The ring is one all-reduce over the hosts."""
HEADER = ("N", "hosts", "K", "messages a host", "MiB a host", "control messages a host", "in memory, ms", "exchange, ms",
          "control, ms", "together, ms", "ring, ms")


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


def predicted(model, ranks):
    per_host = min(model.ranks_per_host, ranks)
    hosts = -(-ranks // per_host)
    members = [per_host] * (hosts - 1) + [ranks - per_host * (hosts - 1)]
    leaves = ranks * model.micro_batches
    sizes = equal_shards(model.elements, ranks)
    sent = max(between_hosts(leaves, sizes, members))
    own = per_host * sizes[0]
    peers = hosts - 1
    messages = peers * (max(host_pieces(leaves, ranks, members)) * -(-own // BUCKET) + 1)
    control = per_host * 2 * (ranks - per_host) + (ranks - 1).bit_length() if hosts > 1 else 0
    seconds = lambda messages, sent: messages * model.latency_us * 1e-6 + sent * 8 / (model.bandwidth_gbit * 1e9)
    memory = 4 * model.elements * (per_host + 2) / (model.memory_gbyte * 1e9)
    return Growth(ranks, hosts, leaves, messages, sent, control, memory, seconds(messages, sent), seconds(control, 0),
                  seconds(2 * peers, ring_bytes(model.elements, hosts)))


def cells(growth):
    together = growth.memory_s + growth.exchange_s + growth.control_s
    return [str(value) for value in (growth.ranks, growth.hosts, growth.leaves, growth.messages)] + [
        f"{growth.bytes / 2**20:.1f}", str(growth.control_messages)] + [
        f"{seconds * 1e3:.2f}" for seconds in (growth.memory_s, growth.exchange_s, growth.control_s, together, growth.ring_s)]


def table(model, numbers):
    rows = [HEADER, ["---"] * len(HEADER), *(cells(predicted(model, ranks)) for ranks in numbers)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def print_table(options):
    model = model_of(options)
    print(ASSUMPTIONS.format(**model._asdict()))
    print(table(model, options.model_ranks))
    return [predicted(model, ranks)._asdict() for ranks in options.model_ranks]
