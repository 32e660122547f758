"""``python -m components.train``."""

import os

# Read when torch loads its OpenMP: threads that wait by spinning slowed a training down six times where other processes
# were busy on the same processors.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from components.stage import run_stage
from components.train.run import run

if __name__ == "__main__":
    run_stage("train", run)
