"""What containers run that is not the stack's own, as processes of this machine: scripts, SQL, configuration."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.ports import LOOPBACK, free_port
from flows.stack.parts import postgres
from flows.stack.process import as_user
from tests.flows.stacks import site, wait_for
from tests.infra.compose import SERVICES, make_secrets
from tests.places import REPOSITORY

INFRA = REPOSITORY / "infra"
USERS = "/api/2.0/mlflow/users"
MODELS = "/api/2.0/mlflow/registered-models"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return make_secrets(tmp_path / "home")


def with_places(file: Path, places: dict[str, Path], target: Path) -> Path:
    """The file with folders of containers replaced by those of the test."""
    text = file.read_text()
    for place, here in places.items():
        assert place in text
        text = text.replace(place, str(here))
    target.write_text(text)
    target.chmod(0o755)
    return target


def test_a_command_is_given_its_secrets_as_variables(tmp_path: Path) -> None:
    (tmp_path / "A_KEY").write_text("two words\n")
    done = subprocess.run(
        [INFRA / "bin" / "with-secrets", "sh", "-c", 'echo "$A_KEY|$0"', "zero"],
        env=os.environ | {"SECRET_VARIABLES": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "two words|zero\n"


@pytest.mark.parametrize("fault", ["empty", "unreadable"])
def test_a_command_is_not_begun_without_its_secrets(tmp_path: Path, fault: str) -> None:
    (tmp_path / "A_KEY").touch()
    script = (INFRA / "bin" / "with-secrets").read_text()
    if fault == "unreadable":  # for root nothing is
        script = script.replace('$(cat "$file")', "$(false)")
    (tmp_path / "with-secrets").write_text(script)
    done = subprocess.run(
        ["sh", tmp_path / "with-secrets", "echo", "begun"],
        env=os.environ | {"SECRET_VARIABLES": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_the_workspace_is_a_clone_that_sees_the_traffic(tmp_path: Path) -> None:
    source, traffic, workspace = tmp_path / "source", tmp_path / "traffic", tmp_path / "workspace"
    for folder in (source, traffic / "predictions", workspace):
        folder.mkdir(parents=True)
    git = ["git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "first"], check=True)
    places = {"/source.git": source / ".git", "/traffic": traffic}
    script = with_places(INFRA / "bin" / "make-workspace", places, tmp_path / "make-workspace")
    for _ in range(2):
        subprocess.run([script], cwd=workspace, check=True)
        assert (workspace / ".tunesmith" / "predictions").resolve() == traffic / "predictions"
    assert subprocess.run(["git", "log", "--format=%s"], cwd=workspace, check=True, capture_output=True).stdout


@pytest.fixture
def database(tmp_path: Path, secrets: Path) -> Iterator[tuple[list[str], int]]:
    """PostgreSQL as the image makes and starts it, with what :file:`infra/postgres/roles.sql` makes in it."""
    programs = postgres._programs(site(tmp_path))
    if programs is None:
        pytest.skip("PostgreSQL is not here: apt-get install postgresql")
    shutil.copytree(secrets / "postgres", place := tmp_path / "pg")
    for folder in (tmp_path, *(each for each in tmp_path.parents if each.name.startswith(("pytest-", "popen-")))):
        folder.chmod(folder.stat().st_mode | 0o011)
    if user := postgres._user():
        shutil.chown(place, user)
    run, port = as_user(user), free_port()
    password = place / "admin-password"
    options = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    data = place / "data"
    subprocess.run(
        [*run, programs / "initdb", "-U", "tunesmith", f"--pwfile={password}", *options, "-D", data],
        check=True,
        cwd="/",
        capture_output=True,
    )
    server = subprocess.Popen(
        [*run, programs / "postgres", "-D", data, "-h", LOOPBACK, "-p", str(port), "-c", "unix_socket_directories="],
        cwd="/",
        stderr=(tmp_path / "postgres.log").open("w"),
    )
    try:
        asked = [programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(port)]
        wait_for(lambda: subprocess.run(asked, check=False).returncode == 0, "PostgreSQL", 180)
        places = {f"/run/secrets/postgres-{role}": place / f"{role}-password" for role in ("mlflow", "prefect")}
        roles = with_places(INFRA / "postgres" / "roles.sql", places, place / "roles.sql")
        psql = [str(programs / "psql"), "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", LOOPBACK, "-p", str(port)]
        admin = os.environ | {"PGPASSWORD": password.read_text()}
        subprocess.run([*psql, "-U", "tunesmith", "-d", "postgres", "-f", roles], check=True, env=admin)
        yield psql, port
    finally:
        server.send_signal(2)
        server.wait()


def test_roles_own_their_database_and_enter_no_other(
    database: tuple[list[str], int], secrets: Path, tmp_path: Path
) -> None:
    psql, _ = database

    def ask(role: str, name: str, question: str, password: str) -> subprocess.CompletedProcess[str]:
        known = os.environ | {"PGPASSWORD": password}
        return subprocess.run(
            [*psql, "-U", role, "-d", name, "-c", question], env=known, check=False, capture_output=True, text=True
        )

    passwords = {role: (secrets / "postgres" / f"{role}-password").read_text() for role in ("mlflow", "prefect")}
    for role, other in (("mlflow", "prefect"), ("prefect", "mlflow")):
        assert ask(role, role, "CREATE TABLE t (n int); SELECT 1", passwords[role]).stdout == "1\n"
        assert "permission denied" in ask(role, other, "SELECT 1", passwords[role]).stderr
        assert "password authentication failed" in ask(role, role, "SELECT 1", passwords[other]).stderr
        assert "permission denied" in ask(role, role, "CREATE ROLE more", passwords[role]).stderr
    found = ask(
        "prefect", "prefect", "SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'", passwords["prefect"]
    )
    assert found.stdout == "pg_trgm\n"
    log = (tmp_path / "postgres.log").read_text()
    assert not [password for password in passwords.values() if password in log]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_servers_read_the_registry_and_cannot_write_it(
    database: tuple[list[str], int], secrets: Path, tmp_path: Path
) -> None:
    _, pg = database
    port, address = free_port(), f"{LOOPBACK}:{pg}"
    configuration = with_places(INFRA / "mlflow" / "auth.ini", {"postgres:5432": Path(address)}, tmp_path / "auth.ini")
    service = SERVICES["mlflow"]
    command = [sys.executable if word == "python" else str(word) for word in service["command"]]
    command[command.index("0.0.0.0")], command[command.index("5000")] = LOOPBACK, str(port)  # noqa: S104
    admin, reader = ((secrets / "mlflow" / f"{who}-password").read_text() for who in ("admin", "reader"))
    store = service["environment"]["MLFLOW_BACKEND_STORE_URI"].replace("postgres:5432", address)
    environment = service["environment"] | {
        "MLFLOW_ARTIFACTS_DESTINATION": str(tmp_path / "artifacts"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin,
        "MLFLOW_AUTH_CONFIG_PATH": str(configuration),
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": (secrets / "mlflow" / "session-secret").read_text(),
        "PGPASSWORD": (secrets / "postgres" / "mlflow-password").read_text(),
    }
    with (tmp_path / "mlflow.log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        base = f"http://{LOOPBACK}:{port}"

        def answers() -> bool:
            try:
                return httpx.get(f"{base}/health", timeout=2).is_success
            except httpx.HTTPError:
                return False

        wait_for(answers, "MLflow", seconds=300)
        tracking = f"http://tunesmith:{admin}@{LOOPBACK}:{port}"
        for password in ("another-password-1", reader):  # run again, it sets the password
            given = os.environ | {"TUNESMITH_TRACKING_URI": tracking, "READER_PASSWORD": password}
            subprocess.run([sys.executable, INFRA / "bin" / "mlflow_reader.py"], env=given, check=True)
        with httpx.Client(base_url=base, timeout=60) as client:  # to hash a password takes long on a busy machine
            assert client.get(f"{MODELS}/search").status_code == httpx.codes.UNAUTHORIZED
            made = client.post(f"{MODELS}/create", auth=("tunesmith", admin), json={"name": "digits"})
            assert made.is_success, made.text
        with httpx.Client(base_url=base, auth=("reader", reader), timeout=60) as client:
            assert client.get(f"{MODELS}/get", params={"name": "digits"}).is_success
            alias = {"name": "digits", "alias": "champion", "version": "1"}
            assert client.post(f"{MODELS}/alias", json=alias).status_code == httpx.codes.FORBIDDEN
            deleted = client.request("DELETE", f"{MODELS}/delete", json={"name": "digits"})
            assert deleted.status_code == httpx.codes.FORBIDDEN
            assert client.post(f"{USERS}/create", json={"username": "x", "password": "long-enough-1"}).is_error
        assert admin not in (tmp_path / "mlflow.log").read_text()
    finally:
        server.terminate()
        server.wait()
