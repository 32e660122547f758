"""What a process listens on."""

import contextlib

import psutil


def listening(process: int) -> set[int]:
    """The TCP ports of a process and of all that it has started."""
    main, found = psutil.Process(process), set[int]()
    for each in (main, *main.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended since
            found |= {one.laddr.port for one in each.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    return found
