"""The pages of MLflow and Prefect on the state of this workspace, on loopback."""

import os
import sys

from components.settings import Settings
from flows.ports import LOOPBACK, claimable

MLFLOW_PORT = 5000
PREFECT_PORT = 4200


def open_mlflow(settings: Settings, port: int | None) -> None:
    """Becomes MLflow's server on the embedded store, or says where the tracking server is.

    Raises:
        SettingsError: the port is taken.
    """
    if settings.tracking_uri and settings.tracking_uri.startswith(("http://", "https://")):
        print(f"MLflow runs as a server of its own: {settings.shown_tracking_address}")
        return
    chosen = claimable(port or MLFLOW_PORT)
    settings.artifact_root.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # its helpers would outlive it
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ["MLFLOW_BACKEND_STORE_URI"] = settings.tracking_address  # its password is not for the process list
    print(f"MLflow: http://{LOOPBACK}:{chosen}   (Ctrl-C ends it)", flush=True)
    place = ["--host", LOOPBACK, "--port", str(chosen), "--default-artifact-root", settings.artifact_root.as_uri()]
    _become("mlflow", "server", "--workers", "1", *place)


def open_prefect(settings: Settings, port: int | None) -> None:
    """Becomes Prefect's server on the embedded store, or says where the server is.

    Raises:
        SettingsError: the port is taken.
    """
    if settings.shown_prefect_address:
        print(f"Prefect runs as a server of its own: {settings.shown_prefect_address.removesuffix('/api')}")
        return
    chosen = claimable(port or PREFECT_PORT)
    (settings.home / "prefect").mkdir(parents=True, exist_ok=True)
    address = f"http://{LOOPBACK}:{chosen}"
    os.environ["PREFECT_UI_API_URL"] = f"{address}/api"
    print(f"Prefect: {address}   (Ctrl-C ends it)", flush=True)
    _become("prefect", "server", "start", "--host", LOOPBACK, "--port", str(chosen))


def _become(module: str, *arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  arguments are a list
