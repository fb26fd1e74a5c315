"""The counts of docs/collectives.md, derived independently: what the exchange of a step sends.

Nothing here is shared with the programs. Left-over nodes are derived from the definition of the tree
(docs/numerics.md), not from the workers' walk over it, so that a mistake in either shows.
"""

import itertools
from typing import NamedTuple

BLOCK = 4096  # elements; shards end at block boundaries
ALIGNMENT = 16  # elements; each tensor of the flat buffer starts at a multiple
BUCKET = 2**18  # elements of a shard that are sent in one message
METRICS = 3  # elements at the end of the flat buffer
GPU_BUCKETS = 8  # of the flat buffer between GPUs, unless they would then be shorter than a bucket
UNIT = 64  # elements; a bucket, and the part of it that a rank adds, start at a multiple


class Exchange(NamedTuple):
    messages: int
    bytes: int


def rank_range(count, rank, ranks):
    """The part of range(count) that `rank` owns: contiguous, in rank order, with sizes that differ by at most one."""
    return range(count * rank // ranks, count * (rank + 1) // ranks)


def cover(leaves, owned):
    """The nodes (level, index) that lie wholly in the range `owned` but whose parents do not, from left to right. Node
    (l, i) covers the leaves from i 2^l to min((i + 1) 2^l, leaves) - 1."""

    def within(level, index):
        begin, end = index << level, min((index + 1) << level, leaves)
        if end <= owned.start or begin >= owned.stop or begin >= end:
            return []
        if owned.start <= begin and end <= owned.stop:
            return [(level, index)]
        return within(level - 1, 2 * index) + within(level - 1, 2 * index + 1)

    return within(max(leaves - 1, 0).bit_length(), 0)


def pieces(leaves, ranks):
    """The number of left-over nodes on each rank."""
    return [len(cover(leaves, rank_range(leaves, rank, ranks))) for rank in range(ranks)]


def flat_blocks(counts):
    """Where the blocks of a flat buffer start, and its length in elements. counts: elements of each tensor, in
    order."""
    starts, size = [], 0
    for count in [*counts, METRICS]:
        starts += range(size, size + count, BLOCK)
        size += -(-count // ALIGNMENT) * ALIGNMENT
    return starts, size


def shards(counts, ranks):
    """Elements of each rank's shard: whole blocks, from the first block that starts at or after rank/ranks of the
    length."""
    starts, size = flat_blocks(counts)
    borders = [next((start for start in starts if start >= size * rank // ranks), size) for rank in range(ranks)]
    borders.append(size)
    return [end - begin for begin, end in itertools.pairwise(borders)]


def equal_shards(elements, ranks):
    return [len(rank_range(elements, rank, ranks)) for rank in range(ranks)]


def mlp_tensors(inputs, hidden, classes):
    """Elements of the weights and biases of an MLP, in the order of registration."""
    sizes = [inputs, *hidden, classes]
    return [count for before, after in itertools.pairwise(sizes) for count in (before * after, after)]


def between_ranks(owned_pieces, shard_sizes):
    """(messages, bytes) that each rank sends in reduce_scatter and all_gather when every rank sends for itself."""

    def of(rank):
        others = [size for peer, size in enumerate(shard_sizes) if peer != rank]
        own, held = shard_sizes[rank], owned_pieces[rank]
        return Exchange(
            held * sum(-(-size // BUCKET) for size in others) + len(others) * (own > 0),
            4 * held * sum(others) + 4 * len(others) * own,
        )

    return [of(rank) for rank in range(len(shard_sizes))]


def overlap(a, b):
    return max(0, min(a.stop, b.stop) - max(a.start, b.start))


def buckets(elements):
    """The buckets of the flat buffer between GPUs, from its end."""
    length = max(-(-elements // GPU_BUCKETS), BUCKET)
    found, end = [], elements
    while end > 0:
        found.append(range(max(0, (end - length) // UNIT * UNIT), end))
        end = found[-1].start
    return found


def part(bucket, rank, ranks):
    """The part of the bucket that `rank` adds: an even share in whole units."""
    units = rank_range(-(-len(bucket) // UNIT), rank, ranks)
    return range(*(min(bucket.start + UNIT * end, bucket.stop) for end in (units.start, units.stop)))


def between_gpus(owned_pieces, shard_sizes):
    """What each rank sends over NCCL in float32: its partial sums of every bucket to the ranks that add parts of it,
    the sums that it added to their owners, and its updated shard to all ranks."""
    ranks = len(shard_sizes)
    ends = [sum(shard_sizes[: rank + 1]) for rank in range(ranks)]
    owned = [range(end - size, end) for end, size in zip(ends, shard_sizes, strict=True)]

    def of(rank):
        sent = []  # elements of each message
        for peer in range(ranks):
            if peer == rank:
                continue
            for bucket in buckets(ends[-1]):
                sent += owned_pieces[rank] * [len(part(bucket, peer, ranks))]
                sent.append(overlap(part(bucket, rank, ranks), owned[peer]))
            sent.append(shard_sizes[rank])
        return Exchange(sum(size > 0 for size in sent), 4 * sum(sent))

    return [of(rank) for rank in range(ranks)]


def on_hosts(ranks, ranks_of_host):
    """The ranks of each host: contiguous, as mpirun places them. ranks_of_host: the number of ranks on each host."""
    assert sum(ranks_of_host) == ranks
    firsts = [sum(ranks_of_host[:host]) for host in range(len(ranks_of_host))]
    return [range(first, first + count) for first, count in zip(firsts, ranks_of_host, strict=True)]


def host_pieces(leaves, ranks, ranks_of_host):
    """The number of left-over nodes on each host, for the micro-batches of its ranks taken together."""

    def of(members):
        first, last = rank_range(leaves, members[0], ranks), rank_range(leaves, members[-1], ranks)
        return len(cover(leaves, range(first.start, last.stop)))

    return [of(members) for members in on_hosts(ranks, ranks_of_host)]


def between_hosts(leaves, shard_sizes, ranks_of_host):
    """The bytes that each host sends when its ranks share memory. Host a has p_a left-over nodes and S_a elements in
    its ranks' shards; of L elements on H hosts it sends 4 p_a (L - S_a) + 4 S_a (H - 1). Nothing is sent within a
    host."""
    ranks, elements, peers = len(shard_sizes), sum(shard_sizes), len(ranks_of_host) - 1
    own = [sum(shard_sizes[rank] for rank in members) for members in on_hosts(ranks, ranks_of_host)]
    return [
        4 * held * (elements - size) + 4 * size * peers
        for held, size in zip(host_pieces(leaves, ranks, ranks_of_host), own, strict=True)
    ]


def ring_bytes(elements, members):
    """The bytes that each member of a ring all-reduce sends."""
    return 2 * (members - 1) * 4 * elements / members
