"""Prefect's server as the stack starts it, for real, but on SQLite: a restart of it costs no run."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.ports import free_port
from flows.stack.part import Part
from flows.stack.parts import prefect
from flows.stack.process import composed
from tests.flows.stacks import site, wait_for


class Limits:
    """The limits of a server. It is asked again while SQLite is busy with what the server does by itself."""

    def __init__(self, address: str | None) -> None:
        self.address = f"{address}/api/v2/concurrency_limits"

    def post(self, path: str, **more: object) -> httpx.Response:
        found: list[httpx.Response] = []

        def answered() -> bool:
            found.append(httpx.post(f"{self.address}{path}", json=more, timeout=30))
            return found[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        wait_for(answered, f"an answer to {path}")
        return found[-1]


@contextlib.contextmanager
def running(part: Part, folder: Path) -> Iterator[Limits]:
    """The server of a part, until it is killed."""
    part.prepare()
    database = {"PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}"}
    with (folder / "prefect.log").open("ab") as log:
        server = subprocess.Popen(part.command, env=composed({**part.environment, **database}), stdout=log, stderr=log)
    try:
        wait_for(part.healthy, "Prefect's server answers", 300)
        yield Limits(part.address)
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_a_run_holds_of_a_limit_outlives_the_server(tmp_path: Path) -> None:
    part = prefect.part(site(tmp_path, "prefect", prefect_port=free_port()))
    slot = {"names": ["retrain"], "slots": 1, "mode": "concurrency", "lease_duration": 300}
    with running(part, tmp_path) as limits:
        assert limits.post("/", name="retrain", limit=1).status_code == httpx.codes.CREATED
        lease = limits.post("/increment-with-lease", **slot).raise_for_status().json()["lease_id"]
    assert (tmp_path / "prefect" / "concurrency_leases" / f"{lease}.json").is_file()
    with running(part, tmp_path) as limits:
        renewed = limits.post(f"/leases/{lease}/renew", lease_duration=300)
        assert renewed.status_code == httpx.codes.NO_CONTENT, renewed.text
        assert limits.post("/increment-with-lease", **slot).status_code == httpx.codes.LOCKED
        assert limits.post("/decrement-with-lease", lease_id=lease).is_success
        assert limits.post("/increment-with-lease", **slot).is_success, "it is free again"
