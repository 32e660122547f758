"""One quick question to the registry: asked without importing MLflow, which takes longer than an unchanged run may.

Only a version that is really there is ever answered. Where the question cannot be asked this way (another database, an
MLflow with other tables, a server that wants a login), the answer is None, and the caller asks :class:`Registry`.
"""

import contextlib
import sqlite3
from pathlib import Path

from components.registry.models import DIGEST, ModelVersion
from components.settings import Settings

NEWEST = """
    SELECT version, source FROM model_versions JOIN model_version_tags USING (workspace, name, version)
    WHERE name = ? AND key = ? AND value = ? AND current_stage <> 'Deleted_Internal'
    ORDER BY version DESC LIMIT 1
"""
TAGS = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"


def peek(settings: Settings, name: str, tag: str, value: str) -> ModelVersion | None:
    """The newest version of a model whose tag has a value; None: there is none, or it cannot be asked this way."""
    address = settings.tracking_address
    if address.startswith("sqlite:///"):
        return _in_sqlite(address.removeprefix("sqlite:///"), name, tag, value)
    if address.startswith(("http://", "https://")):
        return _at_server(settings, name, tag, value)
    return None


def _in_sqlite(path: str, name: str, tag: str, value: str) -> ModelVersion | None:
    try:
        with contextlib.closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute(NEWEST, (name, tag, value)).fetchone()
            return row and _ours(row[0], dict(database.execute(TAGS, (name, row[0]))), row[1])
    except sqlite3.Error:  # no database yet, or one that is laid out otherwise: MLflow itself will say
        return None


def _at_server(settings: Settings, name: str, tag: str, value: str) -> ModelVersion | None:
    import httpx

    token = settings.tracking_token
    try:
        answer = httpx.get(
            f"{settings.tracking_address.rstrip('/')}/api/2.0/mlflow/model-versions/search",
            params={"filter": f"name = '{name}' AND tags.{tag} = '{value}'", "order_by": "version_number DESC"},
            headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token else {},
            timeout=5,
        )
        found = answer.json().get("model_versions", []) if answer.is_success else []
        versions = [
            _ours(int(one["version"]), {pair["key"]: pair["value"] for pair in one.get("tags", [])}, one["source"])
            for one in found
        ]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError, AttributeError):
        # No answer, or none of MLflow's: it will try again itself, and say what is wrong.
        return None
    return max((one for one in versions if one), key=lambda one: one.version, default=None)


def _ours(number: int, tags: dict[str, str], source: str) -> ModelVersion | None:
    return ModelVersion(number, tags, source) if DIGEST in tags else None
