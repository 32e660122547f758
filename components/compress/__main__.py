"""``python -m components.compress``."""

from components.compress.run import run
from components.stage import run_stage

if __name__ == "__main__":
    run_stage("compress", run)
