"""``python -m serving``: starts the server, and says on one line where it answers and from which version."""

import argparse
import os
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from components.errors import SettingsError, TunesmithError
from components.presence import WORKERS, ServerRecord, WorkerState, read_workers
from components.processes import die_with_parent
from components.settings import Settings, export_environment, load_settings, make_folder
from serving.enlisting import HOME, PROCESS, enlist, model_to_follow
from serving.registry import open_registry

PATIENCE_SECONDS = 120.0


def main() -> None:
    """Runs until SIGTERM or SIGINT and ends after the last answer; exits with 1 where it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serves the champion over HTTP.")
    parser.add_argument(
        "--name", help="registered model to follow; otherwise TUNESMITH_MODEL, or the name in params.yaml"
    )
    parser.add_argument("--parent", type=int, help="process that the server must not outlive")
    arguments = parser.parse_args()
    if arguments.parent:
        die_with_parent()
        if os.getppid() != arguments.parent:  # it died before it could be followed
            sys.exit(1)
    try:
        settings = load_settings()
        serve(settings, model_to_follow(settings, arguments.name))
    except TunesmithError as error:
        print(f"serve: {error}", file=sys.stderr)
        sys.exit(1)


def serve(settings: Settings, name: str) -> None:
    """Starts the workers and waits for their end.

    Raises:
        SettingsError: the address cannot be bound, or the registry's cannot be followed.
    """
    host = _free_address(settings.host, settings.port)
    open_registry(settings, name)  # in the workers it would be too late to refuse
    home = _prepare_environment(settings, name, host)
    enlist(ServerRecord.of(name, _address(host, settings), os.getpid(), settings.workers), home)
    threading.Thread(target=_announce, args=(name, host, settings, home), daemon=True).start()

    from serving.service import Tunesmith  # BentoML reads the environment when it is imported

    service: Any = Tunesmith  # the decorator made a bentoml.Service of the class
    service.serve_http(host=host, port=settings.port)


def _free_address(host: str, port: int) -> str:
    """The address as digits, once it was found that it can be bound."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be bound ({error.strerror}). Stop what answers there, or set TUNESMITH_PORT or"
            " TUNESMITH_HOST."
        ) from None
    return str(address[0])


def _prepare_environment(settings: Settings, name: str, host: str) -> Path:
    """Sets what the workers read. BentoML keeps files in its home, so each server of a machine has its own.

    Returns:
        The folder of the server.

    Raises:
        SettingsError: the home folder cannot be written.
    """
    home = (settings.home / "serving" / f"{host.replace(':', '.')}-{settings.port}").resolve()
    shutil.rmtree(home, ignore_errors=True)
    make_folder(home)
    os.environ["BENTOML_HOME"] = str(home)
    os.environ.setdefault("BENTOML_VERBOSITY", "-1")  # errors; its greetings would hide our one line
    os.environ["TUNESMITH_MODEL"] = name
    os.environ[PROCESS], os.environ[HOME] = str(os.getpid()), str(home)
    export_environment(settings)
    return home


def _address(host: str, settings: Settings) -> str:
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _announce(name: str, host: str, settings: Settings, home: Path) -> None:
    """Says on a line where the server answers, once all workers have looked."""
    address = _address(host, settings)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        time.sleep(0.1)
        states = read_workers(home / WORKERS, settings.workers).states
        if len(states) == settings.workers and _listens(address):
            print(_line(name, address, states[0]), flush=True)
            return


def _listens(address: str) -> bool:
    try:
        return httpx.get(f"{address}/livez", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:  # not yet
        return False


def _line(name: str, address: str, state: WorkerState) -> str:
    if state.version is None:
        return f"tunesmith listens on {address}, not ready: {state.error}"
    return f"tunesmith serves {name} version {state.version} on {address}"


if __name__ == "__main__":
    main()
