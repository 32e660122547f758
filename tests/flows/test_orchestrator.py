"""The Prefect server of one's own, for real: what it forgets, where no stack runs another one."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from components.settings import TELEMETRY_OFF
from flows.orchestrator import VACUUM
from flows.ports import free_port
from tests.flows.loop import wait_until
from tests.flows.toy import environment
from tests.places import REPOSITORY
from tests.prefect_server import answers, give_database


@pytest.mark.slow
def test_a_server_that_plans_runs_forgets_old_ones(tmp_path: Path, prefect_database: Path) -> None:
    home, port = give_database(prefect_database, tmp_path / "prefect"), free_port()
    address = f"http://127.0.0.1:{port}/api"
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.orchestrator", str(port), str(os.getpid()), "1"],
        env=environment(PREFECT_HOME=str(home), **TELEMETRY_OFF),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(address), "the server answers")
        settings = httpx.get(f"{address}/admin/settings").raise_for_status().json()
    finally:
        server.kill()
        server.wait()
    assert set(settings["server"]["services"]["db_vacuum"]["enabled"]) == {"events", "flow_runs"}


@pytest.mark.parametrize("file", ["infra/compose.yaml", "infra/kubernetes/base/prefect.yaml"])
def test_the_servers_of_containers_forget_the_same(file: str) -> None:
    ((name, value),) = VACUUM.items()
    (line,) = [line for line in (REPOSITORY / file).read_text().splitlines() if name in line]
    assert value in line
