"""``python -m components.augment``."""

from components.augment.run import run
from components.stage import run_stage

if __name__ == "__main__":
    run_stage("augment", run)
