"""``python -m components.evaluate``."""

from components.evaluate.run import run
from components.stage import run_stage

if __name__ == "__main__":
    run_stage("evaluate", run)
