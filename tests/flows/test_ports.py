import socket

import pytest

from components.errors import SettingsError
from flows.ports import LOOPBACK, claimable, free_port

FIRST_OF_CLIENTS = 32_768  # the default of Linux
ROUND = FIRST_OF_CLIENTS - 20_000


def test_no_port_is_given_twice_nor_one_that_a_connection_may_get() -> None:
    given = [free_port() for _ in range(500)]
    assert len(set(given)) == len(given)
    assert all(1024 <= port < FIRST_OF_CLIENTS for port in given)


def test_a_taken_port_is_passed_over_and_named() -> None:
    with socket.socket() as taken:
        port = free_port()
        taken.bind((LOOPBACK, port))
        assert port not in {free_port() for _ in range(ROUND)}
        with pytest.raises(SettingsError, match=rf"Port {port} cannot be bound"):
            claimable(port)
    assert claimable(port) == port
