"""Where a package comes from: code, data, parameters, environment."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version

from components.package import Provenance
from components.params import Params
from components.register.outputs import LineOutputs

LIBRARIES = ("torch", "pytorch-lightning", "onnx", "onnxruntime", "numpy")


def provenance(params: Params, outputs: LineOutputs, lock_sha256: str) -> Provenance:
    """The provenance of what the line has made, now."""
    return Provenance(
        git_commit=_git("rev-parse", "--verify", "HEAD"),
        git_dirty=_git("status", "--porcelain", "--", ".", ":!dvc.lock") != "",
        lock_sha256=lock_sha256,
        seed=params.seed,
        chosen=outputs.chosen.name,
        train_run_id=outputs.trained.run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        test_share=None if outputs.ingested.own_test_split else params.ingest.test_share,
        environment={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    )


def _git(*arguments: str) -> str | None:
    """What git answers; None: no git, no repository, or no commit yet."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
