"""Ray: a cluster of its own for the length of a sweep, or the one of the settings."""

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.errors import SettingsError
from components.files import write_bytes
from components.settings import TELEMETRY_OFF, Settings, is_loopback

LOOPBACK = "127.0.0.1"
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""What keeps Ray on loopback, where it is for one machine alone: elsewhere it asks for an address others can reach."""
QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "30",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Ray's own tables, logs and records stay off: the journal has them. An actor waits for a training to end."""
TOKEN = {"RAY_AUTH_MODE": "token"}
"""Who has no token is refused."""


@contextlib.contextmanager
def ray_cluster(settings: Settings) -> Iterator[None]:
    """Connects this process to Ray, and leaves it again.

    Raises:
        SettingsError: there is no cluster at the address of the settings.
    """
    on_loopback = settings.ray_address is None or is_loopback(settings.ray_address.rpartition(":")[0])
    make_token(settings)
    for name, value in (QUIET | TOKEN | (ON_LOOPBACK if on_loopback else {})).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(token_file(settings)))
    import ray

    scratch = Path(tempfile.mkdtemp(prefix="tunesmith-ray-"))  # a socket's path may not be longer than 107 bytes
    try:
        _connect(settings, scratch)
        require_room(settings, ray.cluster_resources())
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def token_file(settings: Settings) -> Path:
    """Where the token lies that the processes of Ray know each other by."""
    return settings.home.resolve() / "keys" / "ray.token"


def make_token(settings: Settings) -> None:
    """Makes the token, unless there is one."""
    if not (file := token_file(settings)).exists():
        write_bytes(file, secrets.token_hex(32).encode(), mode=0o600)


def require_room(settings: Settings, resources: dict[str, float]) -> None:
    """Makes sure that a trial fits somewhere: Ray would wait for a processor that never comes.

    Raises:
        SettingsError: it does not.
    """
    for name, setting, wanted in (
        ("CPU", "TUNESMITH_TRIAL_THREADS", float(settings.trial_threads)),
        ("GPU", "TUNESMITH_TRIAL_GPUS", settings.trial_gpus),
    ):
        if wanted > resources.get(name, 0.0):
            raise SettingsError(
                f"{setting}={wanted:g}, and Ray has {resources.get(name, 0.0):g} {name} here. Ask for less, or name a "
                "larger cluster in TUNESMITH_RAY_ADDRESS."
            )


def _connect(settings: Settings, scratch: Path) -> None:
    import ray

    common = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if settings.ray_address is None:
        ray.init(
            address="local",  # whatever RAY_ADDRESS says in this shell
            num_cpus=len(os.sched_getaffinity(0)),
            include_dashboard=False,
            _temp_dir=str(scratch),
            _node_ip_address=LOOPBACK,
            object_store_memory=100 * 2**20,  # trials share their data through the memory map of its files
            **common,
        )
        return
    try:
        environment = {**TELEMETRY_OFF, **QUIET, "PYTHONPATH": str(Path.cwd())}
        ray.init(address=settings.ray_address, runtime_env={"env_vars": environment}, **common)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SettingsError(
            f"No Ray cluster answers at TUNESMITH_RAY_ADDRESS={settings.ray_address}: {error} Start one there with "
            "`ray start --head`, or take the setting away to let Ray run in this process."
        ) from None
