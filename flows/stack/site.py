"""What every part of a stack is made from: the settings, the folders, and which other parts there are."""

import os
import stat
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.errors import ServingError, SettingsError
from components.params import load_params
from components.settings import Settings, is_loopback, settings_faults
from flows.ports import LOOPBACK
from flows.stack.passwords import kept_secret

USER = "tunesmith"
"""Whose password MLflow and Prefect want, where they want one."""


class StackSettings(BaseSettings):
    """Where the parts of ``tunesmith up`` answer."""

    model_config = SettingsConfigDict(env_prefix="TUNESMITH_STACK_", env_ignore_empty=True, frozen=True, extra="ignore")

    host: str = Field(
        LOOPBACK,
        description="Address that MLflow and Prefect bind; they want a password, unless it is loopback.",
    )
    login: bool = Field(
        False, description="Whether MLflow and Prefect want a password on loopback, too, from browsers and from people."
    )
    postgres_port: int = Field(15432, ge=1, le=65535, description="Port of PostgreSQL, on loopback.")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of MLflow.")
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of Prefect.")
    ray_port: int = Field(6379, ge=1, le=65535, description="Port of Ray's head, on loopback.")
    prometheus_port: int = Field(9090, ge=1, le=65535, description="Port of Prometheus, on loopback.")
    flows_port: int = Field(3003, ge=1, le=65535, description="Port of the measures of the flows, for Prometheus.")
    page_port: int = Field(3001, ge=1, le=65535, description="Port of the page that links to all, on loopback.")
    alertmanager: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$",
        description="Where Prometheus sends its alerts, such as alerts.example.org:9093; empty: nowhere.",
    )
    artifacts: str | None = Field(
        None,
        description="Where MLflow keeps files, such as s3://bucket/path; empty: the home folder.",
    )


def load_stack_settings() -> StackSettings:
    """Reads the environment.

    Raises:
        SettingsError: a variable has a value that cannot be used; every fault is named.
    """
    try:
        return StackSettings()
    except ValidationError as error:
        raise SettingsError(settings_faults(error, "TUNESMITH_STACK_")) from None


@dataclass(frozen=True)
class Site:
    """Where a stack is to be.

    Attributes:
        settings: of every command; its addresses are those that the environment gives.
        stack: the stack's own.
        model: registered name that the service follows.
        names: of the parts that there will be.
    """

    settings: Settings
    stack: StackSettings
    model: str
    names: frozenset[str]

    @property
    def home(self) -> Path:
        """The home folder, from the root."""
        return self.settings.home.resolve()

    @property
    def keys(self) -> Path:
        """Folder of what is secret."""
        return self.home / "keys"

    @property
    def scratch(self) -> Path:
        """Folder of what ends with the stack."""
        return scratch_of(self.home)

    @property
    def asks_password(self) -> bool:
        """Whether MLflow and Prefect want one: always, where they are heard outside of this machine."""
        return self.stack.login or not is_loopback(self.stack.host)

    @property
    def password(self) -> str:
        """That MLflow and Prefect ask for, where they want one; made on first use."""
        return kept_secret(self.keys / "stack.password")

    def make_scratch(self) -> None:
        """Makes the scratch folder, unless it is there.

        Raises:
            ServingError: somebody else could write into it.
        """
        self.scratch.mkdir(mode=0o700, exist_ok=True)
        found = self.scratch.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
            raise ServingError(f"{self.scratch} is not a folder of ours alone. Remove it, or set TMPDIR.")

    def places(self) -> dict[str, str]:
        """Settings of every command while the stack runs."""
        host, login = reached(self.stack.host), f"{USER}:{self.password}@" if self.asks_password else ""
        found = {
            "mlflow": {"tracking_uri": f"http://{login}{host}:{self.stack.mlflow_port}"},
            "prefect": {"prefect_api_url": f"http://{host}:{self.stack.prefect_port}/api"}
            | ({"prefect_auth": f"{USER}:{self.password}"} if self.asks_password else {}),
            "ray": {"ray_address": f"{LOOPBACK}:{self.stack.ray_port}"},
        }
        return {key: value for name, places in found.items() if name in self.names for key, value in places.items()}

    def variables(self) -> dict[str, str]:
        """The same as variables of the environment."""
        return {f"TUNESMITH_{name.upper()}": value for name, value in self.places().items()}


def site_of(settings: Settings, names: frozenset[str]) -> Site:
    """Where a stack with these parts is to be.

    Raises:
        TunesmithError: params.yaml or the settings of the stack cannot be used.
    """
    return Site(settings, load_stack_settings(), settings.model or load_params().name, names)


def scratch_of(home: Path) -> Path:
    """Where a stack keeps what ends with it. The name is short: the path of a socket has 107 bytes at most."""
    return Path(tempfile.gettempdir()) / f"ts-{os.getuid()}-{sha256(bytes(home)).hexdigest()[:6]}"


def reached(host: str) -> str:
    """How this machine reaches what binds an address, as it stands in a URL."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  nothing is bound here
        return LOOPBACK if host == "0.0.0.0" else "[::1]"  # noqa: S104
    return f"[{host}]" if ":" in host else host
