"""What the figures are computed from: the formula of an exchange, the growth model, and the programs' output."""

import argparse
import json
from pathlib import Path

import pytest

from tests.performance import all_reduce, commands, exchange_model, growth, measuring, network, simulated_hosts
from tests.support import exchange_formula as formula


def left_over_by_counting(leaves, owned):
    """The workers' algorithm: a binary counter into which leaves are pushed; a node without a sibling becomes its
    parent."""

    def promoted(level, index):
        while index > 0 and index % 2 == 0 and ((index + 1) << level) >= leaves:
            level, index = level + 1, index // 2
        return level, index

    held = []
    for leaf in owned:
        node = promoted(0, leaf)
        while held and node[1] % 2 == 1 and held[-1] == (node[0], node[1] - 1):
            held.pop()
            node = promoted(node[0] + 1, node[1] // 2)
        held.append(node)
    return held


def test_left_over_nodes_by_definition_are_those_that_counting_leaves():
    for leaves in range(1, 33):
        for ranks in range(1, 36):
            for rank in range(ranks):
                owned = formula.rank_range(leaves, rank, ranks)
                found = formula.cover(leaves, owned)
                assert len(found) == len(left_over_by_counting(leaves, owned))
                spans = [range(i << level, min((i + 1) << level, leaves)) for level, i in found]
                assert [leaf for span in spans for leaf in span] == list(owned)


@pytest.mark.parametrize(
    "leaves, ranks, pieces, most, messages, mib",
    [
        (8, 1, 1, 1, 0, 0),
        (8, 2, 2, 1, 33, 64),
        (8, 3, 5, 2, 90, 128),
        (8, 4, 4, 1, 51, 96),
        (8, 8, 8, 1, 63, 112),
        (16, 3, 7, 3, 134, 170.7),
    ],
)
def test_the_counts_are_those_of_the_table_in_docs_collectives(leaves, ranks, pieces, most, messages, mib):
    owned = formula.pieces(leaves, ranks)
    sent = formula.between_ranks(owned, formula.equal_shards(2**24, ranks))
    assert (sum(owned), max(owned)) == (pieces, most)
    assert max(one.messages for one in sent) == messages
    assert round(max(one.bytes for one in sent) / 2**20, 1) == pytest.approx(mib, abs=0.05)


@pytest.mark.parametrize("leaves, ranks", [(8, 2), (32, 16), (5, 7), (12, 5)])
def test_hosts_of_one_rank_send_what_ranks_send(leaves, ranks):
    sizes = formula.equal_shards(100_003, ranks)
    each = formula.between_hosts(leaves, sizes, [1] * ranks)
    assert each == [sent.bytes for sent in formula.between_ranks(formula.pieces(leaves, ranks), sizes)]


def test_between_gpus_the_way_to_the_owners_comes_on_top():
    owned, sizes = formula.pieces(8, 4), formula.equal_shards(2**24, 4)
    [sent, *others] = formula.between_gpus(owned, sizes)
    assert others == 3 * [sent]
    assert sent.bytes == 96 * 2**20 + 4 * 2**24 // 4 * 3 // 4
    # 8 buckets to 3 peers; each owner gets a quarter of 2 buckets from every rank; then the weights.
    assert sent.messages == 8 * 3 + 2 * 3 + 3


def test_one_host_sends_nothing_and_two_send_each_other_one_piece():
    sizes = formula.equal_shards(1000, 4)
    assert formula.between_hosts(8, sizes, [4]) == [0]
    assert formula.between_hosts(8, sizes, [2, 2]) == [4 * 500 + 4 * 500] * 2
    # 6 and 2 of 8 micro-batches: nodes 0-3 and 4-5 on one host, 6-7 on the other.
    assert formula.between_hosts(8, sizes, [3, 1]) == [4 * 2 * 250 + 4 * 750, 4 * 750 + 4 * 250]


def test_shards_are_whole_blocks_and_cover_the_flat_buffer():
    counts = formula.mlp_tensors(784, [256], 10)
    assert counts == [784 * 256, 256, 2560, 10]
    starts, size = formula.flat_blocks(counts)
    assert size == 784 * 256 + 256 + 2560 + 16 + 16 and len(starts) == 49 + 4
    for ranks in range(1, 70):
        sizes = formula.shards(counts, ranks)
        assert sum(sizes) == size and len(sizes) == ranks
        assert all(sum(sizes[:rank]) in (*starts, size) for rank in range(ranks))


def model(**changed):
    return exchange_model.Model(
        elements=2**20, ranks_per_host=8, micro_batches=4, latency_us=10, bandwidth_gbit=8, memory_gbyte=4
    )._replace(**changed)


def test_the_model_of_one_host_sends_nothing():
    alone = exchange_model.predicted(model(), 8)
    assert (alone.hosts, alone.messages, alone.bytes, alone.control_messages, alone.exchange_s) == (1, 0, 0, 0, 0)
    assert alone.memory_s == pytest.approx(4 * 2**20 * 10 / 4e9)


def test_the_model_takes_latency_for_each_message_and_bandwidth_for_each_byte():
    two = exchange_model.predicted(model(), 16)
    assert (two.hosts, two.leaves) == (2, 64)
    assert two.bytes == 2 * 4 * 2**20 // 2 == formula.ring_bytes(2**20, 2)
    assert two.messages == 2**19 // 2**18 + 1
    assert two.exchange_s == pytest.approx(3 * 10e-6 + two.bytes / 1e9)
    assert two.control_messages == 8 * 2 * 8 + 4


def test_the_table_of_the_model_has_a_line_for_each_number_of_ranks():
    lines = exchange_model.table(model(), [64, 512, 4096]).splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["N", "---", "64", "512", "4096"]
    assert len({line.count("|") for line in lines}) == 1


def test_docs_growth_is_what_the_model_says():
    options = exchange_model.options_from_command_line([])
    made = exchange_model.document(exchange_model.model_of(options), options.model_ranks)
    assert (measuring.ROOT / "docs/growth.md").read_text() == made


def test_a_build_that_does_not_count_its_exchange_is_named():
    with pytest.raises(measuring.Failure, match=r'result\.json has no "exchange"'):
        growth.exchange_in({"steps": 6})
    with pytest.raises(measuring.Failure, match="lacks bytes_per_step"):
        growth.exchange_in({"exchange": {"messages_per_step": 1}})
    assert growth.exchange_in({"exchange": {"messages_per_step": 1, "bytes_per_step": 8}}) == (1, 8)


def test_growth_expects_nothing_of_ranks_that_share_memory_and_the_formula_of_those_that_do_not():
    assert growth.expected(32, sends=False) == (0, 0)
    assert growth.expected(1, sends=True) == (0, 0)
    assert growth.expected(2, sends=True).bytes == pytest.approx(4 * (784 * 256 + 256 + 2560 + 32), rel=0.01)


def test_memory_is_read_out_of_files_with_kilobytes(tmp_path):
    (tmp_path / "status").write_text("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n")
    assert growth.kib_in(tmp_path / "status", "VmHWM") == 2048
    assert growth.kib_in(Path("/proc/self/smaps_rollup"), "Pss") > 0


def bench_lines(ranks=2, **seconds):
    return [
        "a banner of mpirun",
        *(
            json.dumps({"what": what, "bytes": size, "ranks": ranks, "seconds_median": value, "seconds": [value]})
            for what, sizes in seconds.items()
            for size, value in sizes.items()
        ),
    ]


def test_times_are_read_by_operation_and_size_from_what_a_program_prints():
    lines = bench_lines(lockstep={4096: 1e-6, 8192: 2e-6})
    found = all_reduce.medians_in(lines, 2, [4096, 8192], ("lockstep",), "bench")
    assert found == {("lockstep", 4096): 1e-6, ("lockstep", 8192): 2e-6}


@pytest.mark.parametrize(
    "lines, message",
    [
        (["nothing"], "says nothing of lockstep of 4096 bytes"),
        (bench_lines(3, lockstep={4096: 1}), "reports 3 ranks"),
        (['{"what": "lockstep", "bytes": 4096, "ranks": 2}'], "lacks seconds_median"),
    ],
)
def test_a_program_that_does_not_say_what_was_asked_is_named(lines, message):
    with pytest.raises(measuring.Failure, match=message):
        all_reduce.medians_in(lines, 2, [4096], ("lockstep",), "bench")


TIMES = {
    ("lockstep", 4096): 2e-6,
    ("lockstep", 2**24): 1e-3,
    ("mpi_allreduce", 4096): 3e-6,
    ("mpi_allreduce", 2**24): 6e-3,
    ("gloo", 4096): 1e-6,
    ("gloo", 2**24): 7e-3,
    ("memcpy_floor", 4096): 1e-6,
    ("memcpy_floor", 2**24): 8e-4,
}


def test_each_goal_of_all_reduce_is_judged_at_its_worst_size():
    values = [(row["value"], row["goal"], row["met"]) for row in all_reduce.rows_of(TIMES, 2)]
    assert values == [
        (pytest.approx(6), "at least 5", True),
        (pytest.approx(1.5), "at least 1", True),
        (pytest.approx(7), "at least 8", False),
        (pytest.approx(0.5), "at least 1", False),
        (pytest.approx(2), "at most 1.5", False),
    ]


def test_medians_are_taken_over_the_runs_for_each_operation_and_size():
    assert all_reduce.medians_over([{("gloo", 8): 1}, {("gloo", 8): 9}, {("gloo", 8): 2}]) == {("gloo", 8): 2}


def test_sizes_are_said_in_binary_units():
    assert [all_reduce.in_words(size) for size in (100, 4096, 2**24)] == ["100 bytes", "4 KiB", "16 MiB"]


def test_bytes_and_packets_are_read_from_proc_net_dev():
    text = (
        "Inter-|   Receive    |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n"
        "    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n  eth0: 500 5 0 0 0 0 0 0 9000 7 0 0 0 0 0 0\n"
    )
    assert simulated_hosts.sent_in(text) == (9000, 7)
    with pytest.raises(measuring.Failure, match="eth1"):
        simulated_hosts.sent_in(text, "eth1")


def test_the_network_is_judged_by_time_over_bandwidth_and_by_bytes_beside_the_formula():
    options = argparse.Namespace(bytes=2**26, mbit=1000)
    due = network.bytes_of_formula(options, 2)
    assert due == [2**26, 2**26]
    times = {("lockstep", 2**26): 0.55, ("mpi_allreduce", 2**26): 0.6, ("gloo", 2**26): 0.65}
    rows = list(network.rows_of(options, 2, times, [2**26, 2**26 * 1.02]))
    assert [(row["value"], row["met"]) for row in rows] == [
        (pytest.approx(0.55 / (8 * 2**26 / 1e9)), True),
        (pytest.approx(0.6 / 0.55), None),
        (pytest.approx(0.65 / 0.55), None),
        (pytest.approx(0.02), False),
    ]


def test_the_time_of_a_step_is_that_of_its_line():
    run = {"lines": [(1.0, "starting"), (1.5, '{"event":"step","step":1}'), (2.5, '{"event":"step","step":2}')]}
    assert [commands.seconds_until(run, commands.is_step(number), "lockstep") for number in (1, 2)] == [1.5, 2.5]
    with pytest.raises(measuring.Failure, match="the peer printed no line"):
        commands.seconds_until(run, commands.is_step(3), "the peer")
