"""The registry's side of a registration."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from components.contracts import (
    PACKAGED,
    ClassificationMetrics,
    Metrics,
    Record,
    RegressionMetrics,
)
from components.errors import PackageError
from components.files import file_sha256
from components.package import ModelPackage, Provenance, verify
from components.package.model import MODEL
from components.params import Params
from components.register.building import EVALUATION, proven_package
from components.register.outputs import LineOutputs
from components.register.proof import lock_sha256
from components.registry import (
    CHALLENGER,
    COMPLETE,
    DIGEST,
    GRAPH_TAG,
    LOCK_TAG,
    ModelVersion,
    Registry,
    experiment_id,
    peek,
    telling,
)
from components.settings import Settings


class Registered(Record):
    """A version and what it was made from."""

    name: str
    version: int
    digest: str
    """Of its package."""
    created: bool
    """False: this dvc.lock was registered before, and nothing was done."""
    lock_sha256: str
    ended_canaries: tuple[int, ...] = ()
    """Versions that answered a share of the requests until this one became the challenger."""


def register(params: Params, settings: Settings) -> Registered:
    """Registers what the line made, unless the same dvc.lock was registered before.

    Raises:
        LineageError: dvc.lock is missing, or does not tell of the files that lie here.
        PackageError: the package cannot be sealed with a trusted key.
        RegistryError: the registry cannot be reached.
    """
    lock = lock_sha256()
    settings.home.mkdir(parents=True, exist_ok=True)
    registry = Registry(settings, params.name)
    with FileLock(settings.home / "register.lock"):
        found = peek(settings, params.name, LOCK_TAG, lock) or registry.newest(LOCK_TAG, lock)
        if found is None or not _intact(found, settings):
            found = _new_version(registry, params, settings, lock)
        elif COMPLETE in found.tags:
            return _registered(params.name, found, created=False)
        registry.set_alias(CHALLENGER, found.version)
        ended = registry.end_canaries()  # servers ask the challenger alone: the tag would say what is not so
        registry.set_tag(found.version, COMPLETE, "true")
        return _registered(params.name, found, created=True, ended_canaries=ended)


def _registered(name: str, found: ModelVersion, *, created: bool, ended_canaries: tuple[int, ...] = ()) -> Registered:
    return Registered(
        name=name,
        version=found.version,
        digest=found.digest,
        created=created,
        lock_sha256=found.tags[LOCK_TAG],
        ended_canaries=ended_canaries,
    )


def _intact(found: ModelVersion, settings: Settings) -> bool:
    """Whether the version's package lies where it was put, if that is a folder of this machine.

    A server's artifact store is not asked: there a version appears only after its package, and to fetch it all for an
    unchanged line would take too long. The gate and every promotion fetch and verify it.
    """
    place = urlsplit(found.source)
    if place.scheme not in ("", "file"):
        return True
    try:
        return verify(Path(url2pathname(place.path)), settings.public_keys) == found.digest
    except PackageError:  # damaged or gone: another version is made
        return False


def _new_version(registry: Registry, params: Params, settings: Settings, lock: str) -> ModelVersion:
    """Package, artifacts, measures, and only then the version, with all its tags at once."""
    digest = proven_package(params, settings, lock)
    origin = ModelPackage.read(PACKAGED).provenance
    outputs = LineOutputs.read()
    place = f"packages/{digest[:16]}"  # one training can end in several packages
    client = registry.client
    run = _run(client, params, settings, origin)
    with telling(settings):
        client.log_artifacts(run.run_id, str(PACKAGED), place)
        client.log_artifacts(run.run_id, str(EVALUATION), f"evaluate/{digest[:16]}")
        client.log_batch(run.run_id, metrics=_metrics(outputs))
    tags = {
        DIGEST: digest,
        LOCK_TAG: lock,
        GRAPH_TAG: file_sha256(PACKAGED / MODEL),
        "git_commit": origin.git_commit or "none",
        "chosen": origin.chosen,
        "score": f"{outputs.evaluated.chosen.score:.4f}",
    }
    source = f"{run.artifact_uri}/{place}"
    return ModelVersion(registry.add_version(source, run.run_id, tags), tags, source)


def _run(client: Any, params: Params, settings: Settings, origin: Provenance) -> Any:
    """The info of the training's MLflow run; where this store does not have it, of a new one that says so."""
    from mlflow.exceptions import MlflowException

    with telling(settings):
        try:
            run = client.get_run(origin.train_run_id).info
            if run.lifecycle_stage == "active":
                return run
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
        note = f"Made by register: the training's run {origin.train_run_id} is not in this tracking store."
        tags = {"tunesmith.stage": "register", "mlflow.note.content": note}
        made = client.create_run(experiment_id(client, settings, params.name), run_name="register", tags=tags).info
        client.set_terminated(made.run_id)
        return made


def _metrics(outputs: LineOutputs) -> list[Any]:
    from mlflow.entities import Metric

    values = {
        **{f"test_{name}": value for name, value in _measures(outputs.evaluated.chosen).items()},
        "test_baseline_score": outputs.evaluated.baseline.score,
        "graph_bytes": outputs.chosen.graph.bytes,
        "latency_ms": outputs.chosen.latency.batch_1.p50,
    }
    now = int(time.time() * 1000)
    return [Metric(name, value, now, 0) for name, value in values.items()]


def _measures(chosen: Metrics) -> dict[str, float]:
    match chosen:
        case ClassificationMetrics():
            names = ("accuracy", "macro_f1", "calibration_error")
        case RegressionMetrics():
            names = ("r2", "rmse", "mae")
    return {name: getattr(chosen, name) for name in names}
