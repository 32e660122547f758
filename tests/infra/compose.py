"""The Compose file as Python sees it, and the secrets that it mounts."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.places import REPOSITORY

FILE = REPOSITORY / "infra" / "compose.yaml"
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
COMPOSE: dict[str, Any] = YAML(typ="safe").load(DEFAULT.sub(r"\1", FILE.read_text()))
SERVICES: dict[str, Any] = COMPOSE["services"]
VARIABLES = "/run/secrets/variables/"


def variables(name: str) -> set[str]:
    """Names of the variables that a service is started with, secret ones among them."""
    service = SERVICES[name]
    mounted = (secret["target"] for secret in service.get("secrets", ()) if isinstance(secret, dict))
    secret = {target.removeprefix(VARIABLES) for target in mounted if target.startswith(VARIABLES)}
    return set(service.get("environment", {})) | secret


def make_secrets(home: Path) -> Path:
    """``make secrets`` in a home folder; gives the folder of what it made."""
    subprocess.run(
        [sys.executable, "-m", "flows.container_secrets"],
        check=True,
        cwd=REPOSITORY,
        env=os.environ | {"TUNESMITH_HOME": str(home)},
        capture_output=True,
    )
    return home / "secrets"
