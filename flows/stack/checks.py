"""What must hold before anything starts: every fault is found at once, and told in one message."""

import os
import shutil
import socket
from collections.abc import Iterable

import psutil

from components.errors import SettingsError
from flows.stack.part import Part, Port
from flows.stack.process import LEASH
from flows.stack.site import Site


def require_startable(site: Site, parts: Iterable[Part]) -> None:
    """Makes sure that nothing is missing or taken.

    Raises:
        SettingsError: something is; the message names everything.
    """
    known = list(parts)
    faults = [*_leash(), *_overridden(site)]
    for part in known:
        faults += part.missing()
        faults += [_taken(port) for port in part.ports if not _free(port)]
    if faults:
        what = "\n".join(f"  {fault}." for fault in dict.fromkeys(faults))
        raise SettingsError(f"The stack cannot start; nothing was started:\n{what}\n--without leaves parts out.")


def _leash() -> list[str]:
    return [] if shutil.which(LEASH) else [f"{LEASH} is not on the PATH: apt-get install util-linux"]


def _overridden(site: Site) -> list[str]:
    """Settings that would send every command past the stack."""
    names = (f"TUNESMITH_{place.upper()}" for place in site.places())
    return [
        f"{name} is set, so commands would use that and not the stack's: unset {name}, or leave the part out"
        for name in names
        if os.environ.get(name)
    ]


def _free(port: Port) -> bool:
    try:
        family, _, _, _, address = socket.getaddrinfo(port.host, port.number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError:
        return False
    return True


def _taken(port: Port) -> str:
    """Who has a port, and how another one is chosen."""
    found = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    holder = next((one for one in found if one.laddr.port == port.number), None)
    remedy = f"stop it, or set {port.setting}"
    if holder is None:
        return f"{port.host}:{port.number} cannot be bound: set {port.setting}"
    if holder.pid is None:
        return f"port {port.number} is taken by a process of another user: {remedy}"
    return f"port {port.number} is taken by process {holder.pid} ({psutil.Process(holder.pid).name()}): {remedy}"
