"""MLflow's server: tracking and registry, on PostgreSQL; it hands out the files of runs and models itself."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from components.errors import ServingError
from components.files import write_bytes
from flows.stack.health import answers
from flows.stack.part import Part, Port
from flows.stack.parts import postgres
from flows.stack.passwords import kept_secret
from flows.stack.process import composed
from flows.stack.site import USER, Site, reached

NAME = "mlflow"
DRIVER = "psycopg"
AUTHENTICATION = """[mlflow]
default_permission = READ
database_uri = {database}
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def part(site: Site) -> Part:
    """The server."""
    host, port = site.stack.host, site.stack.mlflow_port
    address = f"http://{reached(host)}:{port}"
    place = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    login = ["--app-name", "basic-auth"] if site.asks_password else []
    return Part(
        name=NAME,
        about="tracking and registry",
        command=(sys.executable, "-m", "mlflow", "server", *place, *login),
        healthy=answers(f"{address}/health"),
        address=address,
        needs=(postgres.NAME,),
        environment=_environment(site),
        ports=(Port(host, port, "TUNESMITH_STACK_MLFLOW_PORT"),),
        missing=lambda: _missing(site),
        prepare=lambda: _prepare(site),
    )


def _environment(site: Site) -> dict[str, str | None]:
    found: dict[str, str | None] = {
        "MLFLOW_ARTIFACTS_DESTINATION": site.stack.artifacts or str(site.settings.artifact_root),
        "MLFLOW_BACKEND_STORE_URI": postgres.connection(site, NAME, DRIVER),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its helpers would outlive it
        "MLFLOW_TRACKING_URI": None,
        "PGPASSFILE": str(postgres.passfile(site, NAME)),
    }
    if site.asks_password:
        found["MLFLOW_AUTH_CONFIG_PATH"] = str(_configuration(site))
        found["MLFLOW_FLASK_SERVER_SECRET_KEY"] = kept_secret(site.keys / "mlflow.session")
    return found


def _configuration(site: Site) -> Path:
    return site.keys / "mlflow.ini"


def _missing(site: Site) -> list[str]:
    needed = {DRIVER: "the driver psycopg for PostgreSQL: pip install 'psycopg[binary]'"}
    if site.asks_password:
        needed["flask_wtf"] = "Flask-WTF to ask for a password: pip install 'mlflow[auth]'"
    if (site.stack.artifacts or "").startswith("s3:"):
        needed["boto3"] = "boto3 for S3: .venv/bin/pip install -c constraints.txt -e '.[s3]'"
    return [f"mlflow lacks {what}" for module, what in needed.items() if importlib.util.find_spec(module) is None]


def _prepare(site: Site) -> None:
    site.settings.artifact_root.mkdir(parents=True, exist_ok=True)
    if site.asks_password:
        text = AUTHENTICATION.format(
            database=postgres.connection(site, NAME, DRIVER), user=USER, password=site.password
        )
        write_bytes(_configuration(site), text.encode(), mode=0o600)
        _set_password(site)


def _set_password(site: Site) -> None:
    """Makes the password in the file that of MLflow's user, also where another one was in that file before.

    Raises:
        ServingError: that cannot be.
    """
    environment = composed(_environment(site))
    command = [sys.executable, "-m", "flows.stack.mlflow_login"]
    done = subprocess.run(
        command, check=False, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        complaint = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ServingError(f"mlflow: its password cannot be set: {complaint}")
