"""What ``python -m components.validate`` runs."""

from components.stage import run_stage
from components.validate.run import run

if __name__ == "__main__":
    run_stage("validate", run)
