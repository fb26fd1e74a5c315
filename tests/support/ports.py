"""A port for a program that a test starts."""

import contextlib
import socket


@contextlib.contextmanager
def reserved_port():
    """A port of this machine that the system gives to no other program in the meantime.

    The port is bound, but nobody listens on it: a program that sets SO_REUSEADDR, as the metrics server does, can."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
