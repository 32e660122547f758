"""Ports on loopback."""

import socket

from components.errors import SettingsError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


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
