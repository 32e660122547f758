"""``python -m components.train``."""

import os

# Read when torch loads its OpenMP: how long a thread that waits spins before it sleeps. For ever, trainings were slowed
# down six times where other processes were busy on the same processors; never, a seventh on idle ones.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

from components.stage import run_stage
from components.train.run import run

if __name__ == "__main__":
    run_stage("train", run)
