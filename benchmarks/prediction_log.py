"""Whether the prediction log of a server has what the server answered: what it drops would cost nothing."""

import re
import time

import httpx

from benchmarks.served import Server

LOGGED, UNLOGGED = "tunesmith_logged_samples_total", "tunesmith_unlogged_samples_total"
PATIENCE_SECONDS = 60.0


def unlogged(server: Server, key: str, answered: int, patience: float = PATIENCE_SECONDS) -> int:
    """Samples that were answered and are not in the log, once it has had time to write the last ones.

    Args:
        server: one of ours.
        key: for its API, of an administrator.
        answered: samples since it was started.
        patience: seconds that the log may take for what still waits.

    Raises:
        RuntimeError: the server does not tell of its log.
    """
    until = time.monotonic() + patience
    while (counted := _counted(server, key))[LOGGED] + counted[UNLOGGED] < answered and time.monotonic() < until:
        time.sleep(0.5)
    return max(counted[UNLOGGED], answered - counted[LOGGED])


def _counted(server: Server, key: str) -> dict[str, int]:
    answer = httpx.get(f"http://127.0.0.1:{server.port}/metrics", headers={"X-API-Key": key}, timeout=30)
    found = dict(re.findall(r"^(\w+) ([\d.e+]+)$", answer.text, re.MULTILINE))
    missing = [name for name in (LOGGED, UNLOGGED) if name not in found]
    if missing:
        raise RuntimeError(f"/metrics answers {answer.status_code}, without {missing}: {answer.text[:300]}")
    return {name: int(float(found[name])) for name in (LOGGED, UNLOGGED)}
