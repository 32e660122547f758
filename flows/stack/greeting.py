"""What a person is told when everything is healthy: where it is, and what they may wonder about."""

import contextlib
import sqlite3

import httpx
from rich.console import Console

from flows.stack.parts import mlflow, page, service
from flows.stack.site import USER, Site, reached


def greet(site: Site, console: Console) -> None:
    """Says where everything is, and what a person may wonder about."""
    if page.NAME in site.names:
        console.print(f"\nAll of it: http://127.0.0.1:{site.stack.page_port}", highlight=False)
    if site.asks_password:
        console.print(f"MLflow and Prefect ask for the user {USER}; the password is in {site.keys / 'stack.password'}.")
    for sentence in (_about_embedded_registry(site), _about_champion(site)):
        if sentence:
            console.print(sentence, soft_wrap=True, highlight=False)


def _about_embedded_registry(site: Site) -> str | None:
    """What there is in the registry that is used while no stack runs."""
    database = site.home / "mlflow.db"
    if mlflow.NAME not in site.names or not database.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            (versions,) = connection.execute("SELECT COUNT(*) FROM model_versions").fetchone()
    except sqlite3.Error:  # its tables were never made
        return None
    if versions == 0:
        return None
    return (
        f"The embedded registry ({database}) keeps what was registered in it (versions: {versions}), unseen while the "
        "stack runs, which has another one. After 'tunesmith down' every command sees it again; nothing is lost."
    )


def _about_champion(site: Site) -> str | None:
    if service.NAME not in site.names:
        return None
    with contextlib.suppress(httpx.HTTPError):
        address = f"http://{reached(site.settings.host)}:{site.settings.port}/readyz"
        if httpx.get(address, timeout=5, trust_env=False).is_success:
            return None
    return "The service has no champion to answer from yet: 'tunesmith run' makes one."
