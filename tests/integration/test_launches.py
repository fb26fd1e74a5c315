"""However a launch ends, nothing is left of it: no process, no file in /dev/shm, no port (launches.py)."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile

import pytest

from tests.integration.launches import SETTINGS, WAYS, left_by
from tests.support.launching import MPI_ENVIRONMENT, Started, train_command
from tests.support.skipping import cannot_run
from tests.support.traces import OwnNamespaces, SharedMachine, namespaces_can_be_made

# Opens a file in /dev/shm and a port, and prints the port. Ends with its standard input, and leaves the file.
LEAVING = """
import os, socket, sys
file = open(sys.argv[1], "x")
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def others():
    """Another program that opens a port and a file in /dev/shm."""
    with socket.create_server(("127.0.0.1", 0)), tempfile.NamedTemporaryFile(dir="/dev/shm"):
        yield


@pytest.fixture(params=[OwnNamespaces, SharedMachine])
def place(request):
    if request.param is OwnNamespaces and not namespaces_can_be_made():
        cannot_run("this test needs root, or user namespaces (to make a network and a /dev/shm)")
    return request.param()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_launch_leaves_nothing_behind(way, tmp_path):
    assert not left_by(way, tmp_path)


def test_a_file_and_a_port_are_found_while_they_are_there_and_no_others(place):
    file = f"/dev/shm/left-behind-{os.getpid()}"
    with place, others():
        command = place.command([sys.executable, "-c", LEAVING, file])
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            port = program.stdout.readline().strip()
            place.note([program.pid])
            with others():
                assert place.left() == {file, f"port {port}"}
            program.stdin.close()
        assert place.left() == {file}
        subprocess.run(place.command(["rm", file]), check=True)
        assert not place.left()


def test_what_a_launch_has_is_seen_while_it_goes_on_and_gone_after_it(place, tmp_path):
    with place:
        with Started(place.command(train_command(tmp_path, 2, SETTINGS)), environment=MPI_ENVIRONMENT) as started:
            started.wait_for_event("step")
            place.note(started.processes())
            seen = place.left()
            assert any(name.startswith("port ") for name in seen) and any(name.startswith("/dev/") for name in seen)
            started.process.terminate()
            started.finish()
        assert not place.left()
