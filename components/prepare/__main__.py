"""``python -m components.prepare``."""

from components.prepare.run import run
from components.stage import run_stage

if __name__ == "__main__":
    run_stage("prepare", run)
