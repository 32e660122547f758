"""Which servers a promotion waits for."""

import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.presence import FILE, ServerRecord, WorkerState, file_of_this_worker, known_servers, read_workers
from components.processes import start_ticks
from components.settings import Settings


def settings(folder: Path, **more: str) -> Settings:
    return Settings(home=folder, **more)  # type: ignore[arg-type]


def addresses(given: Settings) -> list[str]:
    return [known.address for known in known_servers(given, "digits")]


def here(folder: Path, record: ServerRecord, port: int) -> None:
    record.write(folder / "serving" / str(port) / FILE)


def test_a_server_of_this_machine_is_known_while_it_lives_and_follows_this_model(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    here(tmp_path, ServerRecord.of("digits", "http://127.0.0.1:3000", process.pid, 1), 3000)
    here(tmp_path, ServerRecord.of("letters", "http://127.0.0.1:3001", process.pid, 1), 3001)
    (tmp_path / "serving" / "3002").mkdir()
    (tmp_path / "serving" / "3002" / FILE).write_text("half a fi")
    assert addresses(settings(tmp_path)) == ["http://127.0.0.1:3000"]
    process.kill()
    process.wait()
    assert addresses(settings(tmp_path)) == []


def test_another_process_under_the_same_number_is_not_the_server(tmp_path: Path) -> None:
    record = ServerRecord.of("digits", "http://127.0.0.1:3000", os.getpid(), 1)
    assert record.alive()
    assert not record.model_copy(update={"started": record.started - 1}).alive()


def test_another_process_under_the_same_number_is_not_the_worker(tmp_path: Path) -> None:
    state = WorkerState(process=os.getpid(), version=3, digest="d", looks=9, error=None, rejected=None, rejection=None)
    state.write(file_of_this_worker(tmp_path))
    assert read_workers(tmp_path, 1).states == (state,)
    started = start_ticks(os.getpid()) or 0
    file_of_this_worker(tmp_path).rename(tmp_path / f"{os.getpid()}-{started - 1}.json")
    assert read_workers(tmp_path, 1).states == (), "a promotion would wait for it"
    assert not list(tmp_path.iterdir())


def test_servers_elsewhere_are_known_by_the_settings(tmp_path: Path) -> None:
    given = settings(tmp_path, servers="http://127.0.0.1:4000/, https://serving.example:8443,http://localhost:4001")
    assert addresses(given) == [
        "http://127.0.0.1:4000",
        "http://127.0.0.1:4001",
        "https://serving.example:8443",
    ], "an https address keeps the name that its certificate is for"


@pytest.mark.parametrize("servers", ["serving:3000", "ftp://serving", "http://a b", "http://host:port", "http://"])
def test_an_address_that_is_none_is_refused_before_anything_moves(servers: str) -> None:
    with pytest.raises(ValidationError, match="is no base address such as"):
        Settings(servers=servers)


def test_an_address_of_version_six_keeps_its_brackets(tmp_path: Path) -> None:
    assert addresses(settings(tmp_path, servers="http://[::1]:3000")) == ["http://[::1]:3000"]
