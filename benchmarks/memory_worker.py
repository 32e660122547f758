"""The line's own training in a process of limited memory, on splits that lie in a folder; some steps whenever asked.

``python -m benchmarks.memory_worker FOLDER BATCH STEPS LIMIT (GROUP)``. What torch needs is within the limit, too.
Without a group the limit holds for anonymous memory alone (RLIMIT_DATA in setrlimit(2)).
"""

import os
import resource
import sys
import time
from pathlib import Path

from benchmarks.cgroup import MEMBERS

folder, batch, steps, limit, *group = sys.argv[1:]
if group:
    Path(group[0], MEMBERS).write_text(str(os.getpid()))
else:
    resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))

import torch  # noqa: E402 its memory counts

from benchmarks.training import ROOT  # noqa: E402
from benchmarks.training_worker import Asked, benchmark_params, fitted_for  # noqa: E402
from components.contracts import PREPARED  # noqa: E402
from components.files import file_sha256  # noqa: E402
from components.params.sections import MlpParams  # noqa: E402
from components.train.allocator import keep_freed_memory  # noqa: E402
from components.train.history import History  # noqa: E402
from components.train.run import fit  # noqa: E402

NETWORK = MlpParams(name="mlp", dense=(64,), activation="relu", dropout=0)
"""A small network, because it asks for more bytes a second than a large one."""

if __name__ == "__main__":
    torch.set_num_threads(1)
    keep_freed_memory()
    params = benchmark_params(str(ROOT / "params.yaml"), int(batch), "32-true")
    params = params.model_copy(update={"train": params.train.model_copy(update={"network": NETWORK})})
    os.chdir(folder)
    file_sha256(PREPARED / "train" / "inputs.npy")  # as the stage does; it leaves the page cache full
    fit(params, fitted_for(params), Path("state"), [History(), Asked(int(steps), int(batch), time.perf_counter)])
