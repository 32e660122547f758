"""What ``python -m components.feedback`` runs."""

from components.feedback.run import run
from components.stage import run_stage

if __name__ == "__main__":
    run_stage("feedback", run)
