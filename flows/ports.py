"""Ports on loopback."""

import itertools
import random
import socket

from components.errors import SettingsError

LOOPBACK = "127.0.0.1"

# Above those that Ray gives to its workers, below those that Linux gives to whoever connects: a port that the
# system chooses itself may be somebody's connection by the time that a server wants it. The order is the system's,
# for two processes with the same seed would try the same ports.
_SERVERS = range(20_000, 32_768)
_drawn = itertools.cycle(random.SystemRandom().sample(_SERVERS, len(_SERVERS)))


def free_port() -> int:
    """A port that nobody had a moment ago, and that this process was not given before (until all were).

    Raises:
        SettingsError: there is none.
    """
    for port in itertools.islice(_drawn, len(_SERVERS)):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    raise SettingsError(f"Every port from {_SERVERS.start} to {_SERVERS.stop - 1} of {LOOPBACK} is taken.")


def claimable(port: int) -> int:
    """The same port, once it was found that it can be bound.

    Raises:
        SettingsError: somebody has it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            reason = f"Port {port} cannot be bound ({error.strerror})."
            raise SettingsError(f"{reason} Choose another with --port.") from None
    return port
