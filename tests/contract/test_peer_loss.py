"""A peer that dies or stops in the middle of a collective becomes a CollectiveError on every other rank, never a hang.

LOCKSTEP_PEER_LOSS_PROGRAM names the program (peer_loss.hpp), LOCKSTEP_MPIEXEC the mpirun to start it with.
"""

import os
import re
import selectors
import signal
import subprocess
import time

import pytest

PROGRAM = os.environ["LOCKSTEP_PEER_LOSS_PROGRAM"]
MPIEXEC = os.environ["LOCKSTEP_MPIEXEC"]
SURVIVOR = re.compile(r"survivor (\d+) of (\w+) after (\d+) ms: (.*)\n")
LIMIT_SECONDS = 45


def survivors_of(world_size, victim, victims_signal, deadline_ms):
    """Runs the program until all survivors have reported; returns {rank: (milliseconds, message)}."""
    command = [MPIEXEC, "--enable-recovery", "--oversubscribe", "--bind-to", "none", "-np", str(world_size), PROGRAM]
    command += [str(int(victims_signal)), str(victim), str(deadline_ms)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0, start_new_session=True
    )
    survivors, output, limit = {}, "", time.monotonic() + LIMIT_SECONDS
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while len(survivors) < world_size - 1:
                left = limit - time.monotonic()
                assert left > 0 and selector.select(left), "a survivor hangs:\n" + output
                # Unbuffered, and everything that is available: a line left in one of Python's buffers would not wake
                # the selector.
                read = process.stdout.read(65536)
                assert read, "mpirun ended early:\n" + output
                output += read.decode()
                survivors = {int(found[1]): (int(found[3]), found[4]) for found in SURVIVOR.finditer(output)}
    finally:
        process.terminate()  # mpirun then ends all ranks, the stopped one too
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    return survivors


@pytest.mark.parametrize("world_size, victim", [(2, 1), (3, 0), (5, 2), (8, 7)])
def test_a_killed_peer_is_named_long_before_the_deadline(world_size, victim):
    survivors = survivors_of(world_size, victim, signal.SIGKILL, deadline_ms=30000)
    assert set(survivors) == set(range(world_size)) - {victim}
    for milliseconds, message in survivors.values():
        assert re.search(rf"lost rank {victim} on \S+ \(process \d+\)", message)
        assert milliseconds < 5000


@pytest.mark.parametrize("world_size, victim", [(2, 0), (3, 1), (5, 4)])
def test_a_stopped_peer_is_an_error_at_the_deadline(world_size, victim):
    survivors = survivors_of(world_size, victim, signal.SIGSTOP, deadline_ms=1000)
    assert set(survivors) == set(range(world_size)) - {victim}
    for milliseconds, message in survivors.values():
        assert re.search(rf"no answer within 1000 ms from .*rank {victim}\b", message)
        assert 900 < milliseconds < 10000
