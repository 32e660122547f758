"""``python -m components.train``."""

from components.stage import run_stage
from components.train.run import run

if __name__ == "__main__":
    run_stage("train", run)
