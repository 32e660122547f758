"""What ``python -m components.ingest`` runs."""

from components.ingest.run import run
from components.stage import run_stage

if __name__ == "__main__":
    run_stage("ingest", run)
