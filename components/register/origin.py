"""Where a package comes from: code, data, parameters, environment."""

from datetime import UTC, datetime

from components.lineage import git_state
from components.package import Provenance
from components.params import Params
from components.register.outputs import LineOutputs


def provenance(params: Params, outputs: LineOutputs, lock_sha256: str) -> Provenance:
    """The provenance of what the line has made, now."""
    git = git_state()
    return Provenance(
        git_commit=git.commit,
        git_dirty=git.dirty,
        lock_sha256=lock_sha256,
        seed=params.seed,
        chosen=outputs.chosen.name,
        train_run_id=outputs.trained.run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        test_share=None if outputs.ingested.own_test_split else params.ingest.test_share,
        environment=outputs.trained.environment,
        machine=outputs.trained.machine,
    )
