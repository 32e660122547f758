"""``python -m components.fetch``."""

from components.fetch.run import run
from components.stage import run_stage

if __name__ == "__main__":
    run_stage("fetch", run)
