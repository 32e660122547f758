"""Where things run: read from the environment (``TUNESMITH_*``), never from params.yaml; every default is embedded.

While a stack of this home folder runs (``tunesmith up``), it says where its servers are; the environment wins.
"""

import errno
import logging
import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from components.errors import SettingsError
from components.running_stack import DECIDED, running_places

TELEMETRY_OFF = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}


ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
STORE = re.compile(r"(https?|sqlite|postgresql|mysql|mssql)(\+\w+)?://.+", re.DOTALL)
"""An MLflow server, or a database of the kinds that MLflow keeps its records in."""
PREFIX = "TUNESMITH_"
PLACES = ("tracking_uri", "prefect_api_url", "prefect_auth", "ray_address")
"""Settings that a running stack gives."""


class _Stack(PydanticBaseSettingsSource):
    """The stack that runs in this home folder, if one does."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        default = self.settings_cls.model_fields["home"].default
        return dict(running_places(Path(self.current_state.get("home", default))))


class Settings(BaseSettings):
    """Where this machine keeps and finds things. Paths are relative to the root of the repository."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    home: Path = Field(
        Path(".tunesmith"),
        description="Folder of the state that is neither code nor data: tracking, keys, journal, checkpoints.",
    )
    datasets: Path | None = Field(
        None,
        description="Folder with local copies of public data sets, one folder each; looked into before any download.",
    )
    tracking_uri: str | None = Field(
        None, description="Address of the MLflow server; empty: SQLite in the home folder."
    )
    tracking_token: SecretStr | None = Field(None, description="Bearer token for the MLflow server.")
    prefect_api_url: str | None = Field(
        None, description="Address of the Prefect server's API; empty: Prefect in this process."
    )
    prefect_auth: SecretStr | None = Field(
        None, description="User and password of the Prefect server, as user:password."
    )
    retrain_cron: str = Field(
        "0 3 * * *", description="When the line runs by itself, as five fields of cron in UTC; never: not by the clock."
    )
    take_feedback: bool = Field(
        False, description="Whether the stage feedback takes in what is new; `tunesmith run --feedback` sets it for it."
    )
    retrain_labels: int = Field(
        100, ge=0, description="So many labels that people have sent since start a retraining, too; 0: none do."
    )
    sweep_cron: str = Field("0 4 * * 6", description="When hyperparameters are searched, the same way.")
    monitor_seconds: float = Field(
        300.0, ge=1, le=86400, description="How often the monitor looks at the traffic, in seconds."
    )
    flows_host: str = Field("127.0.0.1", description="Address that the process of the flows binds for its measures.")
    flows_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the measures of the flows, for Prometheus; empty: none are given."
    )
    ray_address: str | None = Field(
        None, description="Address of a Ray cluster for sweeps, such as 10.0.0.5:6379; empty: Ray in this process."
    )
    trial_threads: int = Field(
        1,
        ge=1,
        le=1024,
        description="CPU threads of a trial of a sweep; as many trials run at once as there is room for.",
    )
    trial_gpus: float = Field(
        0.0, ge=0, le=64, description="GPUs of a trial of a sweep; a share, such as 0.5, lets trials share one."
    )
    threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="CPU threads of a training or compression process; 0: one for each core.",
    )
    signing_key: Path | None = Field(
        None,
        description="Ed25519 private key (PEM) that signs packages; empty: one made on first use in the home folder.",
    )
    trusted_keys: Path | None = Field(
        None,
        description="Folder of Ed25519 public keys (*.pem) whose packages are accepted; empty: the home folder's.",
    )
    model: str | None = Field(None, description="Registered model that a server follows; empty: params.yaml's name.")
    host: str = Field("127.0.0.1", description="Address that the server binds; loopback unless you say otherwise.")
    port: int = Field(3000, ge=1, le=65535, description="Port that the server binds.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes of the server.")
    poll_seconds: float = Field(
        2.0, gt=0, le=3600, description="How often a server asks the registry for the champion, in seconds."
    )
    servers: str | None = Field(
        None,
        description="Base addresses, with commas between, of servers on other machines that a promotion waits for.",
    )
    server_key: SecretStr | None = Field(None, description="API key for those servers; one made with --admin.")
    promotion_seconds: float = Field(
        60.0, gt=0, le=3600, description="How long a promotion waits for the servers before it goes back, in seconds."
    )
    api_keys: Path | None = Field(
        None,
        description="Folder of a server's API keys, as hashes (*.json); empty: the home folder's.",
    )
    keys_required: bool | None = Field(
        None,
        description="Whether a server without any API key refuses everybody; empty: unless it binds loopback alone.",
    )
    shadow_share: float = Field(
        0.0, ge=0, le=1, description="Share of the answers that the challenger gives, too, unheard, to be compared."
    )
    canary_errors: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of its requests that a canary may fail at before the champion answers them all again.",
    )
    canary_slowdown: float = Field(
        1.5, gt=0, le=100, description="Median time of a canary over the champion's before the champion does."
    )
    log_predictions: bool = Field(
        True, description="Whether a server keeps what it answered, in Parquet below predictions/ of the home folder."
    )
    log_inputs: bool = Field(
        False, description="Whether it keeps the inputs, too: they may be of people, who must have been asked."
    )
    log_days: int = Field(30, ge=1, le=36500, description="So many days a server keeps what it answered.")
    log_format: Literal["text", "json"] = Field("text", description="How a server writes its own log.")
    log_requests: bool = Field(False, description="Whether that has a line for each request.")
    traces: str | None = Field(
        None, description="Base address of an OpenTelemetry collector that takes OTLP over HTTP; empty: no traces."
    )
    max_body_bytes: int = Field(8 * 2**20, ge=1024, le=2**31, description="Largest request body, in bytes.")
    max_pixels: int = Field(25_000_000, ge=1, le=2**31, description="Largest image that is decoded, in pixels.")
    max_batch: int = Field(64, ge=1, le=4096, description="Most samples of one inference; a larger request is refused.")
    max_queue: int = Field(
        1024,
        ge=1,
        le=10**6,
        description="Most samples waiting in a worker; beyond it the answer is 503 with Retry-After.",
    )
    max_wait_seconds: float = Field(
        2.0,
        gt=0,
        le=3600,
        description="A request that would wait so long for its answer, at the pace of late, is refused the same way.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given wins over the environment, and that over the running stack."""
        return init_settings, env_settings, _Stack(settings_cls)

    @field_validator("traces")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address and not ADDRESS.fullmatch(address):
            raise ValueError(f"{address} is no base address such as http://collector:4318")
        return address

    @field_validator("tracking_uri")
    @classmethod
    def _store(cls, address: str | None) -> str | None:
        if address and not STORE.fullmatch(address):
            raise ValueError("it is no address such as http://tracking:5000 or postgresql://db/mlflow")
        return address

    @field_validator("servers")
    @classmethod
    def _addresses(cls, addresses: str | None) -> str | None:
        for address in filter(None, (each.strip() for each in (addresses or "").split(","))):
            if not ADDRESS.fullmatch(address):
                raise ValueError(f"{address} is no base address such as http://serving:3000")
        return addresses

    @property
    def tracking_address(self) -> str:
        """The MLflow address that is in force: the server's, or SQLite in the home folder."""
        return self.tracking_uri or f"sqlite:///{(self.home / 'mlflow.db').resolve()}"

    @property
    def shown_tracking_address(self) -> str:
        """The same for everybody's eyes: without user and password."""
        return without_userinfo(self.tracking_address)

    @property
    def shown_prefect_address(self) -> str | None:
        """The address of the Prefect server's API without user and password; None: Prefect in this process."""
        return self.prefect_api_url and without_userinfo(self.prefect_api_url)

    @property
    def server_addresses(self) -> tuple[str, ...]:
        """Base addresses of the servers on other machines."""
        return tuple(each.strip().rstrip("/") for each in (self.servers or "").split(",") if each.strip())

    @property
    def artifact_root(self) -> Path:
        """Folder of the embedded registry's artifacts; a tracking server has a place of its own."""
        return (self.home / "artifacts").resolve()

    @property
    def key_folder(self) -> Path:
        """Folder of a server's API keys."""
        return self.api_keys or self.home / "keys" / "api"

    @property
    def keys_are_required(self) -> bool:
        """Whether a server without any API key refuses everybody."""
        return self.keys_required if self.keys_required is not None else not is_loopback(self.host)

    @property
    def private_key(self) -> Path:
        """File of the key that signs packages."""
        return self.signing_key or self.home / "keys" / "signing.pem"

    @property
    def public_keys(self) -> Path:
        """Folder of the public keys whose packages are accepted."""
        return self.trusted_keys or self.home / "keys" / "trusted"


def is_loopback(host: str) -> bool:
    """Whether who binds this address is heard on this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def without_userinfo(text: str) -> str:
    """The text with user and password taken out of every address in it.

    The password of a database may hold slashes, as SQLAlchemy reads it; that of a server may not.
    """
    return re.sub(r"://(?:[^/\s]*|[^:/\s]*:[^@\s]*)@", "://", text)


def load_settings() -> Settings:
    """Reads the environment.

    Raises:
        SettingsError: a variable has a value that cannot be used; every fault is named.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(settings_faults(error)) from None


def make_folder(folder: Path) -> None:
    """Makes a folder of the home folder, or that itself, unless it is there.

    Raises:
        SettingsError: it cannot be made, or not be written into.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SettingsError(
            f"{folder.resolve()} cannot be made or written into ({error.strerror}). Set TUNESMITH_HOME to a folder of "
            "yours."
        ) from None


def settings_faults(error: ValidationError, prefix: str = PREFIX) -> str:
    """Every variable that cannot be used, with its value and why."""
    faults = [
        f"  {prefix}{'_'.join(map(str, e['loc'])).upper()}={_harmless(e.get('input'))}: {e['msg']}"
        for e in error.errors()
    ]
    return "The environment holds settings that cannot be used:\n" + "\n".join(faults)


def _harmless(value: Any) -> str:
    """A value for everybody's eyes: what stands before an @ may be a password."""
    return re.sub(r"[^\s'\"/]*@", "", without_userinfo(repr(value)))


def export_environment(settings: Settings) -> None:
    """Sets what the libraries read from the environment: no telemetry, state inside the home folder.

    Called once by each entry point, before a library is imported. What the user has set already is kept, telemetry
    excepted, and what a ``TUNESMITH_*`` variable says otherwise. What a running stack has said holds for this process
    and all that it starts, also if the stack ends, or another one begins, meanwhile.
    """
    home = settings.home.resolve()
    os.environ.update(TELEMETRY_OFF)
    defaults = {
        "BENTOML_HOME": home / "bentoml",
        "DVC_SITE_CACHE_DIR": home / "dvc",
        "MPLCONFIGDIR": home / "matplotlib",
        "PREFECT_HOME": home / "prefect",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": 120,
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "MLFLOW_TRACKING_URI": settings.tracking_address,
    }
    explicit = {
        "PREFECT_API_URL": settings.prefect_api_url,
        "PREFECT_API_AUTH_STRING": settings.prefect_auth,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_TRACKING_TOKEN": settings.tracking_token,
        **{f"{PREFIX}{name.upper()}": getattr(settings, name) for name in PLACES},
        DECIDED: "1",
    }
    os.environ.update({name: _plain(value) for name, value in explicit.items() if value})
    for name, value in defaults.items():
        os.environ.setdefault(name, str(value))
    # Of the first fonts that it lists for a home folder Matplotlib warns where that takes 5 s, on stderr.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
