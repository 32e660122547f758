import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from components.errors import PackageError, RegistryError
from components.gate import judge
from components.promote import promote, rollback
from components.register import register
from components.registry import CHALLENGER, DIGEST, Registry, connect, experiment_id, peek
from components.registry.connection import telling
from components.settings import Settings
from flows.ports import free_port
from tests.line_factory import make_line
from tests.package_factory import make_package
from tests.shelf import NAME, Shelf, copy_of

PROCESSES = 4
SERVER = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def test_an_empty_registry_has_neither_champion_nor_versions(shelf: Shelf) -> None:
    assert shelf.registry.champion() is None
    assert shelf.registry.challenger() is None
    assert shelf.registry.versions() == []


def test_versions_are_listed_newest_first_with_their_tags(shelf: Shelf) -> None:
    assert [shelf.publish(0.0), shelf.publish(1.0)] == [1, 2]
    shelf.registry.set_alias(CHALLENGER, 2)
    shelf.promote(1)
    newest, oldest = shelf.registry.versions()
    assert (newest.version, oldest.version) == (2, 1)
    assert newest.tags[DIGEST] != oldest.tags[DIGEST]
    assert shelf.registry.aliases() == {"challenger": 2, "champion": 1}


def test_a_version_that_the_line_did_not_register_does_not_count(shelf: Shelf, tmp_path: Path) -> None:
    ours = shelf.publish(0.0)
    theirs = shelf.registry.add_version(tmp_path.as_uri(), "", {"made": "by hand"})
    assert [one.version for one in shelf.registry.versions()] == [ours]
    with pytest.raises(RegistryError, match=rf"no version {theirs} with a package. Versions that have one: {ours}\."):
        shelf.registry.version(theirs)


def test_other_names_are_not_mixed_in(shelf: Shelf) -> None:
    shelf.promote(shelf.publish(0.0))
    other = Registry(shelf.settings, f"{NAME}-two")
    assert other.champion() is None
    assert other.versions() == []


def test_a_download_is_whole_and_replaces_what_lay_there(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.publish(0.0)
    target = tmp_path / "here"
    target.mkdir()
    (target / "old").touch()
    assert shelf.registry.download(version, target) == shelf.registry.version(version).tags[DIGEST]
    expected = sorted(file.name for file in shelf.package(0.0).iterdir())
    assert sorted(file.name for file in target.iterdir()) == expected


def test_a_damaged_package_is_not_handed_out(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.publish(0.0)
    (shelf.stored(version) / "model.onnx").write_bytes(b"\x08")
    with pytest.raises(PackageError, match="is damaged"):
        shelf.registry.download(version, tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_another_sealed_package_in_its_place_is_not_handed_out(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.publish(0.0)
    shutil.rmtree(shelf.stored(version))
    make_package(shelf.stored(version), shelf.settings, bias=100)
    with pytest.raises(PackageError, match="somebody has put another one in its place"):
        shelf.registry.download(version, tmp_path / "here")


def test_missing_artifacts_are_a_sentence(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.publish(0.0)
    shutil.rmtree(shelf.stored(version))
    with pytest.raises(RegistryError, match="did not do what was asked"):
        shelf.registry.download(version, tmp_path / "here")


def test_a_server_that_is_not_there_is_an_error_and_not_an_empty_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    settings = Settings(home=tmp_path, tracking_uri=f"http://somebody:secret@127.0.0.1:{free_port()}")
    with pytest.raises(RegistryError, match="TUNESMITH_TRACKING_URI") as failure:
        Registry(settings, NAME).champion()
    assert "secret" not in "".join(traceback.format_exception(failure.value))
    assert caplog.text == ""
    assert re.search(r"(\.| …) Check TUNESMITH_TRACKING_URI", str(failure.value))


def test_a_database_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("This is not a database. " * 100)
    with pytest.raises(RegistryError, match="not a database"):
        connect(Settings(home=tmp_path))


def test_a_deleted_experiment_says_how_to_bring_it_back(shelf: Shelf) -> None:
    client = connect(shelf.settings)
    number = experiment_id(client, shelf.settings, NAME)
    assert experiment_id(client, shelf.settings, NAME) == number
    client.delete_experiment(number)
    with pytest.raises(RegistryError, match=f"restore --experiment-id {number}"):
        experiment_id(client, shelf.settings, NAME)


def test_peek_finds_the_newest_version_with_a_tag(shelf: Shelf) -> None:
    for bias in (0.0, 1.0, 2.0):
        shelf.registry.set_tag(shelf.publish(bias), "lock_sha256", "same" if bias else "other")
    assert peek(shelf.settings, NAME, "lock_sha256", "same") == shelf.registry.version(3)
    assert peek(shelf.settings, NAME, "lock_sha256", "unknown") is None
    assert peek(shelf.settings, "another", "lock_sha256", "same") is None
    shelf.registry.client.delete_model_version(NAME, "3")
    assert peek(shelf.settings, NAME, "lock_sha256", "same") == shelf.registry.version(2)


def test_peek_makes_no_database(tmp_path: Path) -> None:
    assert peek(Settings(home=tmp_path), NAME, "lock_sha256", "x") is None
    assert list(tmp_path.iterdir()) == []


def test_peek_leaves_a_strange_database_to_mlflow(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("This is not a database. " * 100)
    assert peek(Settings(home=tmp_path), NAME, "lock_sha256", "x") is None


def test_peek_finds_a_database_by_a_relative_address(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.registry.set_tag(shelf.publish(0.0), "lock_sha256", "same")
    monkeypatch.chdir(shelf.settings.home)
    settings = Settings(home=tmp_path / "elsewhere", tracking_uri="sqlite:///mlflow.db")
    assert peek(settings, NAME, "lock_sha256", "same") == shelf.registry.version(1)


@pytest.mark.parametrize(
    "content",
    [
        "<html>Log in here.</html>",
        "[]",
        '{"model_versions": [{}]}',
        '{"model_versions": [null]}',
        '{"model_versions": {"a": 1}}',
    ],
)
def test_peek_leaves_a_server_that_is_not_mlflow_to_mlflow(tmp_path: Path, content: str) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content.encode())

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        asked = threading.Thread(target=server.handle_request)
        asked.start()
        settings = Settings(home=tmp_path, tracking_uri=f"http://127.0.0.1:{server.server_port}")
        assert peek(settings, NAME, "lock_sha256", "x") is None
        asked.join()


def test_peek_leaves_an_address_that_is_none_to_mlflow(tmp_path: Path) -> None:
    assert peek(Settings(home=tmp_path, tracking_uri="http://[::1"), NAME, "lock_sha256", "x") is None


QUIET_AND_LIGHT = """
import sys
from pathlib import Path
from components.registry import connect, experiment_id, peek
from components.settings import Settings
settings = Settings(home=Path(sys.argv[1]))
peek(settings, "toy", "lock_sha256", "x")
assert not {"mlflow", "sqlalchemy", "pandas"} & set(sys.modules), "heavy import"
import logging
logging.basicConfig(level=logging.INFO)
client = connect(settings)
run = client.create_run(experiment_id(client, settings, "toy")).info
client.set_terminated(run.run_id)
assert run.artifact_uri.startswith(settings.artifact_root.as_uri()), run.artifact_uri
"""


@pytest.mark.slow
def test_mlflow_comes_late_and_quietly_and_leaves_nothing_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", QUIET_AND_LIGHT, str(tmp_path / "home")],
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "work").iterdir()) == []


def make_experiment(home: Path, ready: "multiprocessing.synchronize.Barrier") -> None:
    settings = Settings(home=home)
    ready.wait()
    experiment_id(connect(settings), settings, NAME)


@pytest.mark.slow
def test_processes_that_make_the_store_at_once_share_it(
    tmp_path: Path, processes: multiprocessing.context.ForkServerContext
) -> None:
    ready = processes.Barrier(PROCESSES)
    makers = [processes.Process(target=make_experiment, args=(tmp_path, ready)) for _ in range(PROCESSES)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0] * PROCESSES
    names = [one.name for one in connect(Settings(home=tmp_path)).search_experiments()]
    assert names.count(NAME) == 1


@pytest.fixture(scope="module")
def served(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A registry behind a real MLflow server, which keeps the artifacts itself."""
    tmp_path = tmp_path_factory.mktemp("served")
    store = copy_of(empty_registry, tmp_path / "server").settings
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store.tracking_address, "--artifacts-destination", str(tmp_path / "artifacts")]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, env=SERVER)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield Shelf(Settings(home=tmp_path / "home", tracking_uri=f"http://127.0.0.1:{port}"), tmp_path)
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, "the MLflow server ended"
        try:
            if httpx.get(address, timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError("the MLflow server did not start")


@pytest.mark.slow
def test_a_tracking_server_is_asked_the_same_questions(served: Shelf, tmp_path: Path) -> None:
    first, second = served.publish(0.0), served.publish(1.0)
    served.registry.set_tag(second, "lock_sha256", "abc")
    served.promote(first)
    assert served.registry.champion() == first
    assert [one.version for one in served.registry.versions()] == [second, first]
    assert served.registry.version(first).source.startswith("mlflow-artifacts:")
    digest = served.registry.download(first, tmp_path / "here")
    assert digest == served.registry.version(first).tags[DIGEST]
    assert peek(served.settings, NAME, "lock_sha256", "abc") == served.registry.version(second)
    assert peek(served.settings, NAME, "lock_sha256", "abd") is None


@pytest.mark.slow
def test_a_tracking_server_takes_a_line_from_its_training_to_a_rollback(
    served: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings, name = served.settings, "a-line"
    client = connect(settings)
    run = client.create_run(experiment_id(client, settings, name)).info.run_id
    for version, bias in ((1, 0.0), (2, 0.5)):
        params = make_line(tmp_path, name=name, bias=bias, run_id=run)
        assert register(params, settings).version == version
        assert not register(params, settings).created
        decision = judge(params, settings, version)
        assert promote(settings, name, version, decision.champion, decision.sentence(), decision.figures()).moved
    assert rollback(settings, name, "as a test").after == Registry(settings, name).champion() == 1
    assert {one.path for one in client.list_artifacts(run)} == {"packages", "evaluate"}


def test_an_error_that_says_nothing_is_told_by_its_name(tmp_path: Path) -> None:
    with (
        pytest.raises(RegistryError, match=r"did not do what was asked: OSError\. Check"),
        telling(Settings(home=tmp_path)),
    ):
        raise OSError
