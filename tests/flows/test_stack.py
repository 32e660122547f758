"""The stack as data: its parts, their order, what they say to the settings of other commands, and their secrets."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from components.api_keys import digest, make_key, read_keys
from components.errors import ServingError, SettingsError
from components.params import load_params
from components.running_stack import DECIDED, FILE, RunningStack
from components.settings import Settings, export_environment, is_loopback, load_settings
from flows.ports import LOOPBACK
from flows.stack.greeting import greet
from flows.stack.part import in_order
from flows.stack.parts import PARTS, deployments, mlflow, names_without, parts_of, postgres, prometheus
from flows.stack.passwords import kept_secret
from flows.stack.site import USER, load_stack_settings, reached
from tests.flows.stacks import site, small_part
from tests.shelf import Shelf

NAMES = tuple(PARTS)
EVERYWHERE = "0.0.0.0"  # noqa: S104  nothing is bound


def test_parts_start_behind_what_they_need() -> None:
    parts = [small_part("c", "", needs=("b", "elsewhere")), small_part("b", ""), small_part("a", "")]
    order = [part.name for part in in_order(parts)]
    assert order == ["b", "c", "a"]


def test_the_whole_stack_in_its_order(tmp_path: Path) -> None:
    parts = parts_of(site(tmp_path, *NAMES))
    seen: set[str] = set()
    for part in parts:
        assert set(part.needs) <= seen, f"{part.name} before {part.needs}"
        seen.add(part.name)
    assert seen == set(NAMES)


def test_building_parts_makes_nothing(tmp_path: Path) -> None:
    parts_of(site(tmp_path / "home", *NAMES))
    assert list(tmp_path.iterdir()) == []


def test_parts_are_left_out_with_what_needs_them() -> None:
    assert names_without([], prefect_elsewhere=False) == set(NAMES)
    assert names_without(["ray", "prometheus"], prefect_elsewhere=False) == set(NAMES) - {"ray", "prometheus"}
    assert "deployments" in names_without(["prefect"], prefect_elsewhere=True)
    with pytest.raises(SettingsError, match=r"mlflow cannot do without postgres: .* --without postgres,mlflow"):
        names_without(["postgres"], prefect_elsewhere=False)
    with pytest.raises(SettingsError, match="deployments cannot do without prefect"):
        names_without(["prefect"], prefect_elsewhere=False)
    with pytest.raises(SettingsError, match=r"--without grafana: the parts are postgres, mlflow"):
        names_without(["grafana"], prefect_elsewhere=False)


def test_no_secret_is_on_a_command_line_and_everything_binds_loopback(tmp_path: Path) -> None:
    parts = parts_of(site(tmp_path, *NAMES, settings=Settings(home=tmp_path, host="127.0.0.1")))
    assert all(is_loopback(port.host) for part in parts for port in part.ports)
    exposed = parts_of(open_site := site(tmp_path, *NAMES, host=EVERYWHERE))
    assert {part.name for part in exposed for port in part.ports if not is_loopback(port.host)} == {"mlflow", "prefect"}
    words = [word for part in exposed for word in part.command]
    assert words
    assert not any(open_site.password in word for word in words)


def test_what_is_exposed_asks_for_a_password(tmp_path: Path) -> None:
    closed, opened = site(tmp_path, *NAMES), site(tmp_path, *NAMES, host="10.0.0.5")
    assert closed.places() == {
        "tracking_uri": "http://127.0.0.1:5000",
        "prefect_api_url": "http://127.0.0.1:4200/api",
        "ray_address": "127.0.0.1:6379",
    }
    assert opened.places() == {
        "tracking_uri": f"http://tunesmith:{opened.password}@10.0.0.5:5000",
        "prefect_api_url": "http://10.0.0.5:4200/api",
        "prefect_auth": f"tunesmith:{opened.password}",
        "ray_address": "127.0.0.1:6379",
    }
    by_name = {part.name: part.environment for part in parts_of(opened)}
    assert by_name["prefect"]["PREFECT_SERVER_API_AUTH_STRING"] == f"tunesmith:{opened.password}"
    assert by_name["mlflow"]["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    assert by_name["service"]["TUNESMITH_TRACKING_URI"] == opened.places()["tracking_uri"]
    asking = site(tmp_path, *NAMES, login=True)
    assert asking.places()["tracking_uri"] == f"http://tunesmith:{asking.password}@127.0.0.1:5000"
    assert all(is_loopback(port.host) for part in parts_of(asking) for port in part.ports)


@pytest.mark.parametrize(
    ("host", "shown"),
    [(EVERYWHERE, "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.5", "10.0.0.5"), ("db", "db")],
)
def test_what_binds_every_address_is_reached_by_loopback(host: str, shown: str) -> None:
    assert reached(host) == shown


def test_a_setting_of_the_stack_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_STACK_PAGE_PORT", "70000")
    monkeypatch.setenv("TUNESMITH_STACK_RAY_PORT", "many")
    with pytest.raises(SettingsError, match=r"(?s)TUNESMITH_STACK_RAY_PORT='many'.*TUNESMITH_STACK_PAGE_PORT='70000'"):
        load_stack_settings()


def test_a_secret_is_made_once_and_its_owner_s_alone(tmp_path: Path) -> None:
    secret = kept_secret(tmp_path / "keys" / "one")
    assert len(secret) >= 43
    assert kept_secret(tmp_path / "keys" / "one") == secret
    assert kept_secret(tmp_path / "keys" / "two") != secret
    assert stat.S_IMODE((tmp_path / "keys" / "one").stat().st_mode) == 0o600


def test_a_secret_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "one"
    kept_secret(file)
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="one can be read by other users, so it is no secret: delete it"):
        kept_secret(file)
    file.chmod(0o600)
    file.write_text("\n")
    with pytest.raises(SettingsError, match="one is empty, so nobody would be asked for it: delete it"):
        kept_secret(file)


def test_a_user_that_mlflow_has_made_gets_the_password_of_the_configuration(tmp_path: Path) -> None:
    pytest.importorskip("flask_wtf", reason="mlflow[auth] is not installed")
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    store = SqlAlchemyStore()
    store.init_db(database)
    configuration = tmp_path / "mlflow.ini"
    variables = os.environ | {"MLFLOW_AUTH_CONFIG_PATH": str(configuration)}

    def configure(password: str) -> None:
        text = mlflow.AUTHENTICATION.format(database=database, user=USER, password=password)
        configuration.write_text(text)
        subprocess.run([sys.executable, "-m", "flows.stack.mlflow_login"], env=variables, check=True)

    configure("the first of them")
    assert not store.has_user(USER), "MLflow makes it, as an administrator"
    store.create_user(USER, "the first of them", is_admin=True)
    configure("the second of them")
    assert store.authenticate_user(USER, "the second of them")
    assert not store.authenticate_user(USER, "the first of them")
    assert store.get_user(USER).is_admin


def test_only_pages_of_prefect_itself_may_ask_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def origins() -> str | None:
        return parts_of(site(tmp_path, "prefect", prefect_port=4300))[0].environment[name]

    name = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
    assert origins() == "http://127.0.0.1:4300,http://localhost:4300"
    monkeypatch.setenv(name, "https://prefect.example.org")
    assert origins() == "https://prefect.example.org"


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings in the environment, which is put back afterwards."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUNESMITH_")}
    monkeypatch.setattr(os, "environ", kept)


def here(home: Path, process: int | None = None, **places: str) -> RunningStack:
    from components.processes import start_ticks

    number = os.getpid() if process is None else process
    stack = RunningStack(number, start_ticks(number) or 0, places)
    stack.write(home)
    return stack


def test_settings_find_the_stack_that_runs_and_the_environment_wins(
    clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(tmp_path, tracking_uri="http://127.0.0.1:5001", ray_address="127.0.0.1:6380", prefect_auth="me:secret")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    found = Settings(home=tmp_path)
    assert (found.tracking_uri, found.ray_address) == ("http://127.0.0.1:5001", "127.0.0.1:6380")
    assert found.prefect_auth is not None
    assert "secret" not in repr(found)
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path))
    assert load_settings().tracking_uri == "http://127.0.0.1:5001"
    monkeypatch.setenv("TUNESMITH_TRACKING_URI", "http://ours:5000")
    assert load_settings().tracking_uri == "http://ours:5000"
    assert Settings(tracking_uri=None).tracking_uri is None
    assert Settings(home=tmp_path / "elsewhere").ray_address is None


def test_a_stack_that_is_gone_says_nothing(clean: None, tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    stack = here(tmp_path, process.pid, tracking_uri="http://127.0.0.1:5001")
    assert Settings(home=tmp_path).tracking_uri
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert Settings(home=tmp_path).tracking_uri is None, "it has ended, though nobody has asked how"
    process.wait()
    assert Settings(home=tmp_path).tracking_uri is None
    RunningStack(os.getpid(), stack.started, stack.places).write(tmp_path)
    assert Settings(home=tmp_path).tracking_uri is None, "another process has got its number"
    replace(here(tmp_path, tracking_uri="http://127.0.0.1:5001"), boot="another").write(tmp_path)
    assert Settings(home=tmp_path).tracking_uri is None, "the machine was started anew, and numbers are given again"


def test_a_process_tree_keeps_what_it_found_first(clean: None, tmp_path: Path) -> None:
    export_environment(Settings(home=tmp_path))
    here(tmp_path, tracking_uri="http://127.0.0.1:5001")
    assert Settings(home=tmp_path).tracking_uri is None, "it began before the stack did"
    del os.environ[DECIDED]
    export_environment(Settings(home=tmp_path))
    (tmp_path / FILE).unlink()
    assert Settings(home=tmp_path).tracking_uri == "http://127.0.0.1:5001", "the stack has ended meanwhile"


def test_a_file_of_the_stack_that_cannot_be_read_is_told(clean: None, tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / FILE).write_text('{"process": 7}')
    with pytest.raises(SettingsError, match=r"environment\.json cannot be read .* 'tunesmith down'"):
        Settings(home=tmp_path)


def test_prometheus_has_a_key_only_where_the_service_wants_one(tmp_path: Path) -> None:
    open_service = site(tmp_path, *NAMES)
    prometheus.part(open_service).prepare()
    file = tmp_path / "stack" / "prometheus.yml"
    assert "authorization" not in file.read_text()
    assert not open_service.settings.key_folder.exists(), "a first key would shut everybody else out"

    make_key(open_service.settings.key_folder, "shop", "predict")
    for _ in range(2):  # the second time it has its key already
        prometheus.part(open_service).prepare()
    (service, flows, itself) = json.loads(file.read_text())["scrape_configs"]
    assert flows["static_configs"] == [{"targets": ["127.0.0.1:3003"]}]
    key = Path(service["authorization"]["credentials_file"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    known = {one.name: one for one in read_keys(open_service.settings.key_folder)}
    assert (known[prometheus.KEY].sha256, known[prometheus.KEY].role) == (digest(key.read_text()), "admin")
    assert itself["static_configs"] == [{"targets": ["127.0.0.1:9090"]}]

    key.write_text("ts_lost")
    prometheus.part(open_service).prepare()
    assert digest(key.read_text()) in {one.sha256 for one in read_keys(open_service.settings.key_folder)}


def test_alerts_go_where_somebody_is_told_of_them(tmp_path: Path) -> None:
    prometheus.part(site(tmp_path, prometheus.NAME, alertmanager="alerts.example.org:9093")).prepare()
    configuration = json.loads((tmp_path / "stack" / "prometheus.yml").read_text())
    (manager,) = configuration["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["alerts.example.org:9093"]}]
    assert len(configuration["scrape_configs"]) == 2, "without the process of the flows nobody asks for it"


def test_the_deployments_are_well_while_they_ask_for_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    polled: list[str | None] = []

    class Prefect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == f"/api/deployments/name/retrain/{load_params().name}"
            self.send_response(200 if polled else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"last_polled": polled[-1] if polled else None}).encode())

        def log_message(self, *said: object) -> None:
            pass

    server = HTTPServer((LOOPBACK, 0), Prefect)
    Thread(target=server.serve_forever, daemon=True).start()
    part = deployments.part(site(tmp_path, "prefect", "deployments", prefect_port=server.server_port))
    address = Settings(home=tmp_path, prefect_api_url=f"http://{LOOPBACK}:{server.server_port}/api")
    of_another = deployments.part(site(tmp_path, "deployments", settings=address))
    now = datetime.now(UTC)
    part.prepare()
    assert not part.healthy(), "Prefect does not know it"
    for moment, well in ((None, False), (now - timedelta(seconds=5), False), (now + timedelta(minutes=1), True)):
        polled.append(moment and moment.isoformat())
        assert part.healthy() == well, f"it asked at {moment}"
    assert of_another.healthy()
    server.shutdown()
    server.server_close()
    assert not part.healthy(), "Prefect does not answer"
    assert of_another.healthy(), "a server that is elsewhere may be away, and the process goes on asking"
    of_another.prepare()
    assert not of_another.healthy(), "but it must have been there"


def test_postgres_needs_its_passwords_and_a_passable_folder(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "postgres"
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("9999\n")
    sentences = postgres.part(site(tmp_path / "home", "postgres")).missing()
    assert any(
        "was made by PostgreSQL 9999, which is not here: apt-get install postgresql-9999" in s for s in sentences
    )
    assert any("not its passwords" in s and "mlflow.pgpass" in s for s in sentences)
    if os.geteuid() == 0:
        tmp_path.chmod(0o700)
        sentences = postgres.part(site(tmp_path / "home", "postgres")).missing()
        assert any(f"chmod o+x {tmp_path}," in s or "adduser --system postgres" in s for s in sentences)


def test_who_has_registered_something_before_is_told_where_it_is(shelf: Shelf) -> None:
    def told() -> str:
        said = StringIO()
        greet(site(shelf.settings.home, "mlflow"), Console(file=said, width=200))
        return said.getvalue()

    assert told() == "", "nothing was registered"
    shelf.publish(0.0)
    assert "(versions: 1), unseen while the stack runs, which has another one. After 'tunesmith down'" in told()


def test_a_scratch_folder_that_others_can_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = site(tmp_path / "home", "ray")
    found.make_scratch()
    found.make_scratch()
    assert len(bytes(found.scratch)) - len(bytes(tmp_path)) <= len("/ts-65534-123456"), "sockets lie below it"
    found.scratch.chmod(0o777)
    with pytest.raises(ServingError, match=r"is not a folder of ours alone"):
        found.make_scratch()
    found.scratch.rmdir()
    found.scratch.symlink_to(tmp_path)
    with pytest.raises(ServingError, match=r"is not a folder of ours alone"):
        found.make_scratch()
