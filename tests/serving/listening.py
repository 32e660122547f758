"""What a process listens on."""

import psutil


def listening(process: int) -> set[int]:
    """The TCP ports of a process and of all that it has started."""
    main = psutil.Process(process)
    return {
        one.laddr.port
        for each in (main, *main.children(recursive=True))
        for one in each.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    }
