"""What must hold before anything starts: every fault is found at once, and told in one message."""

import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterable, Iterator

import psutil

from components.errors import SettingsError
from flows.stack.part import Part, Port
from flows.stack.process import LEASH
from flows.stack.site import Site

LEAST_BYTES = 200 * 2**20
"""That must be free for the database of a new stack and its logs."""


def require_startable(site: Site, parts: Iterable[Part]) -> None:
    """Makes sure that nothing is missing or taken.

    Raises:
        SettingsError: something is; the message names everything.
    """
    known = list(parts)
    faults = [*_leash(), *_overridden(site), *_full(site)]
    for part in known:
        faults += part.missing()
        faults += [fault for port in part.ports if (fault := _unusable(port))]
    faults += _wanted_twice(known)
    if faults:
        what = "\n".join(f"  {fault}." for fault in dict.fromkeys(faults))
        raise SettingsError(f"The stack cannot start; nothing was started:\n{what}\n--without leaves parts out.")


def _leash() -> list[str]:
    return [] if shutil.which(LEASH) else [f"{LEASH} is not on the PATH: apt-get install util-linux"]


def _full(site: Site) -> list[str]:
    """A database that finds no room ends, again and again."""
    free = shutil.disk_usage(site.home).free
    if free >= LEAST_BYTES:
        return []
    return [f"{site.home} has room for {free // 2**20} MB, and {LEAST_BYTES // 2**20} are needed at least: make room"]


def _overridden(site: Site) -> list[str]:
    """Settings that would send every command past the stack."""
    names = (f"TUNESMITH_{place.upper()}" for place in site.places())
    return [
        f"{name} is set, so commands would use that and not the stack's: unset {name}, or leave the part out"
        for name in names
        if os.environ.get(name)
    ]


def _wanted_twice(parts: Iterable[Part]) -> Iterator[str]:
    """Two parts cannot have one port, though nobody has it yet."""
    ports = [port for part in parts for port in part.ports]
    for number, uses in Counter(port.number for port in ports).items():
        if uses > 1:
            settings = " and ".join(port.setting for port in ports if port.number == number)
            yield f"port {number} is wanted twice: {settings} must differ"


def _unusable(port: Port) -> str | None:
    """Why a port cannot be bound; None: it can."""
    try:
        family, _, _, _, address = socket.getaddrinfo(port.host, port.number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return _taken(port, error)
    return None


def _taken(port: Port, error: OSError) -> str:
    """Who has a port, and how another one is chosen."""
    found = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    holder = next((one for one in found if one.laddr.port == port.number), None)
    remedy = f"stop it, or set {port.setting}"
    if holder is None:
        return f"{port.host}:{port.number} cannot be bound ({error.strerror}): set {port.setting}, or its host"
    if holder.pid is None:
        return f"port {port.number} is taken by a process of another user: {remedy}"
    return f"port {port.number} is taken by process {holder.pid} ({_name(holder.pid)}): {remedy}"


def _name(process: int) -> str:
    try:
        return str(psutil.Process(process).name())
    except psutil.Error:
        return "it has just ended"
