"""The whole stack: real servers, really killed; what it holds is there again after ``down`` and ``up``."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from components.registry import CHAMPION
from components.settings import Settings
from flows.stack.parts import PARTS, parts_of
from tests.flows.stacks import Workspace, site, wait_for, workspace
from tests.flows.toy import environment
from tests.object_storage import BUCKET, SECRET_KEY, object_storage
from tests.shelf import Shelf

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
PATIENCE = 60.0
"""For an answer, in seconds: hashing a password alone takes long on a busy machine."""
QUIET = {"TUNESMITH_RETRAIN_CRON": "never", "TUNESMITH_SWEEP_CRON": "never", "TUNESMITH_POLL_SECONDS": "0.2"}
IN_THE_CLUSTER = """
from components.settings import load_settings
from components.sweep.cluster import ray_cluster
with ray_cluster(load_settings()):
    import ray
    print(ray.get(ray.remote(lambda: 6 * 7).remote()))
"""


def require(folder: Path, *names: str, **more: object) -> None:
    """Skips where a program is missing; ``.ci/run`` installs them."""
    missing = [sentence for part in parts_of(site(folder, *names, **more)) for sentence in part.missing()]
    if missing := [sentence for sentence in missing if "chmod" not in sentence]:
        pytest.skip("; ".join(missing))


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Workspace]:
    require(tmp_path, *PARTS)
    with workspace(TUNESMITH_WORKERS="2", **QUIET) as made:
        yield made


def states(line: Workspace) -> dict[str, Any]:
    shown = line.tunesmith("ps", "--json")
    return {part["name"]: part for part in json.loads(shown.stdout)["parts"]}


def all_healthy(line: Workspace) -> bool:
    return line.state().healthy()


def secrets_of(line: Workspace) -> list[str]:
    found = [file.read_text().strip() for file in (line.home / "keys").rglob("*") if file.is_file()]
    return [text.rpartition(":")[2] for text in found if "\n" not in text]


def require_no_secret_outside(line: Workspace) -> None:
    """Neither on a command line nor in a log."""
    secrets = secrets_of(line)
    assert len(secrets) >= 3
    shown = [" ".join(words) for words in line.commands()]
    assert len(shown) >= 3
    written = [file.read_text(errors="replace") for file in (line.home / "logs").glob("*.log*")]
    for secret in secrets:
        assert not any(secret in text for text in (*shown, *written))


def listening(line: Workspace) -> dict[tuple[str, int], str]:
    """The addresses that the stack's processes bind, and who does."""
    ours = {}
    for process in family(line):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            ours[process.pid] = process.name()
    return {
        (one.laddr.ip.removeprefix("::ffff:"), one.laddr.port): ours[one.pid]
        for one in psutil.net_connections("inet")
        if one.pid in ours and (one.status == psutil.CONN_LISTEN or not one.raddr)
    }


def family(line: Workspace) -> list[psutil.Process]:
    return psutil.Process(line.state().process).children(recursive=True)


def shelf_of(line: Workspace) -> Shelf:
    """The registry that every command here finds by itself."""
    settings = Settings(home=line.home)
    assert settings.tracking_uri == f"http://127.0.0.1:{line.variables['TUNESMITH_STACK_MLFLOW_PORT']}"
    return Shelf(settings, line.root / "packages")


def served(line: Workspace) -> dict[str, Any]:
    with contextlib.suppress(httpx.HTTPError):
        address = f"http://127.0.0.1:{line.variables['TUNESMITH_PORT']}/model"
        answer: dict[str, Any] = httpx.get(address, timeout=PATIENCE).json()
        return answer
    return {}


def workers(line: Workspace) -> int:
    """How many of the service have said what they serve."""
    return len(served(line).get("workers", {}).get("states", ()))


def test_the_whole_stack(whole: Workspace) -> None:
    up = whole.tunesmith("up")
    assert (up.returncode, up.stderr) == (0, "")
    assert "The service has no champion to answer from yet: 'tunesmith run' makes one." in up.stdout
    assert {part["condition"] for part in states(whole).values()} == {"healthy"}
    assert set(states(whole)) == set(PARTS)
    outside = {address: name for address, name in listening(whole).items() if address[0] not in ("127.0.0.1", "::1")}
    assert outside == {}
    require_no_secret_outside(whole)
    status = json.loads(whole.tunesmith("status", "--json").stdout)
    assert status["places"]["tracking and registry"].startswith("http://127.0.0.1:")
    assert status["places"]["orchestration"].startswith("http://127.0.0.1:")
    assert in_the_cluster(whole) == "42\n"

    shelf = shelf_of(whole)
    version = shelf.promote(shelf.publish(0.0))
    wait_for(lambda: served(whole).get("version") == version, "the service serves what was registered", 180)
    wait_for(lambda: workers(whole) == 2, "both workers have said so", 180)
    wait_for(lambda: scraped(whole, "tunesmith") == "1", "Prometheus has asked the service", 120)
    wait_for(lambda: scraped(whole, "tunesmith-flows") == "1", "Prometheus has asked the process of the flows", 120)
    assert "TunesmithServerSilent" in asked_of_prometheus(whole, "rules").text

    for name in ("mlflow", "postgres", "prefect", "ray", "service", "deployments"):
        os.kill(whole.process_of(name), signal.SIGKILL)
        wait_for(lambda: states(whole)[name]["restarts"] == 1, f"{name} is started again", 120)  # noqa: B023
        wait_for(lambda: all_healthy(whole), f"{name} is healthy again", 300)
    assert shelf.registry.aliases() == {CHAMPION: version}
    wait_for(lambda: served(whole).get("version") == version, "the service serves it again", 180)
    assert in_the_cluster(whole) == "42\n"

    before = family(whole)
    down = whole.tunesmith("down")
    assert (down.returncode, down.stderr) == (0, "")
    assert all(f"{name} " in down.stdout for name in PARTS)
    assert down.stdout.index("service ") < down.stdout.index("mlflow ") < down.stdout.index("postgres ")
    psutil.wait_procs(before, timeout=30)
    assert [one for one in before if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert Settings(home=whole.home).tracking_uri is None

    assert whole.tunesmith("up", "--without", "ray,deployments,prefect,prometheus").returncode == 0
    assert shelf_of(whole).registry.aliases() == {CHAMPION: version}
    wait_for(lambda: served(whole).get("version") == version, "what was registered survives", 180)

    os.kill(whole.state().process, signal.SIGKILL)
    wait_for(lambda: whole.processes() == [], "the parts end with their supervisor", 120)


def in_the_cluster(line: Workspace) -> str:
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_CLUSTER],
        cwd=line.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def scraped(line: Workspace, job: str) -> str | None:
    with contextlib.suppress(httpx.HTTPError):
        found = asked_of_prometheus(line, "query", query=f'up{{job="{job}"}}').raise_for_status()
        results = found.json()["data"]["result"]
        return results[0]["value"][1] if results else None
    return None


def asked_of_prometheus(line: Workspace, question: str, **more: str) -> httpx.Response:
    address = f"http://127.0.0.1:{line.variables['TUNESMITH_STACK_PROMETHEUS_PORT']}/api/v1/{question}"
    return httpx.get(address, params=more, timeout=PATIENCE)


def entered(address: str, login: tuple[str, str] | None = None) -> int:
    """The status of an answer."""
    return httpx.get(address, auth=login, timeout=PATIENCE).status_code


def test_what_is_exposed_lets_nobody_in_without_the_password(tmp_path: Path) -> None:
    require(tmp_path, "postgres", "mlflow", "prefect", host="10.0.0.5")
    everywhere, left_out = "0.0.0.0", ("--without", "ray,prometheus,page")  # noqa: S104
    with workspace(TUNESMITH_STACK_HOST=everywhere, **QUIET) as line:
        up = line.tunesmith("up", *left_out)
        assert (up.returncode, up.stderr) == (0, "")
        assert "MLflow and Prefect ask for the user tunesmith; the password is in" in up.stdout
        mlflow, prefect = (line.variables[f"TUNESMITH_STACK_{name}_PORT"] for name in ("MLFLOW", "PREFECT"))
        questions = (
            f"http://127.0.0.1:{mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0",
            f"http://127.0.0.1:{prefect}/api/admin/version",
        )
        login = ("tunesmith", (line.home / "keys" / "stack.password").read_text())
        for address in questions:
            assert entered(address) == 401
            assert entered(address, ("tunesmith", "guessed")) == 401
            assert entered(address, login) == 200
        event = httpx.post(
            f"http://127.0.0.1:{prefect}/api/events",
            content="[]",
            headers={"Origin": "http://x.example"},
            timeout=PATIENCE,
        )
        assert event.status_code == 401, "a page of the web may post without asking first, and is not let in"
        assert {address for address, _ in listening(line) if address != "127.0.0.1"} == {everywhere}
        require_no_secret_outside(line)
        told = line.tunesmith("history", "--json")
        assert (told.returncode, told.stdout) == (0, "[]\n"), "commands here know the password"
        shown = line.tunesmith("status", "--json").stdout
        assert login[1] not in shown
        assert f"http://127.0.0.1:{mlflow}" in shown

        for name in ("mlflow", "prefect"):  # what asks them complains, in its log
            os.kill(line.process_of(name), signal.SIGKILL)
        wait_for(lambda: {one["restarts"] for one in states(line).values()} >= {1}, "they are started again", 120)
        wait_for(lambda: all_healthy(line), "everything is healthy again", 300)
        require_no_secret_outside(line)

        assert line.tunesmith("down").returncode == 0
        (line.home / "keys" / "stack.password").unlink()
        assert line.tunesmith("up", *left_out).returncode == 0
        other = ("tunesmith", (line.home / "keys" / "stack.password").read_text())
        for address in questions:
            assert entered(address, login) == 401, "the password that was given away"
            assert entered(address, other) == 200
        assert line.tunesmith("history", "--json").returncode == 0


def test_files_of_mlflow_lie_in_object_storage(tmp_path: Path) -> None:
    place = f"s3://{BUCKET}/mlflow"
    require(tmp_path, "postgres", "mlflow", artifacts=place)
    with object_storage(tmp_path / "s3") as storage:
        keys = storage.credentials | {"MLFLOW_S3_ENDPOINT_URL": storage.endpoint}
        with workspace(TUNESMITH_STACK_ARTIFACTS=place, **keys, **QUIET) as line:
            up = line.tunesmith("up", "--without", "prefect,deployments,ray,service,prometheus,page")
            assert (up.returncode, up.stderr) == (0, "")
            shelf = shelf_of(line)
            version = shelf.publish(0.0)
            assert any(name.endswith("/manifest.json") for name in storage.names("mlflow/"))
            assert not list((line.home / "artifacts").rglob("manifest.json"))
            shelf.registry.download(version, tmp_path / "again")
            assert (tmp_path / "again/manifest.json").is_file()
            require_no_secret_outside(line)
            logs = [file.read_text(errors="replace") for file in (line.home / "logs").glob("*.log*")]
            assert not any(SECRET_KEY in text for text in logs)
