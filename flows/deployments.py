"""``python -m flows.deployments``: this process as what runs the flows, at their times and when something happens.

It lives until it is stopped; what it was running then is gone on with when it starts again.
"""

import signal
import sys
from types import FrameType

from components.errors import TunesmithError
from components.settings import export_environment, load_settings
from flows.orchestrator import prefect_server
from flows.workspace import enter_root


def main() -> None:
    """Serves the flows retrain, sweep and monitor."""
    enter_root()
    settings = load_settings()
    export_environment(settings)
    signal.signal(signal.SIGTERM, _leave)
    with prefect_server(settings, scheduling=True):
        from flows.deployed import serve_all

        serve_all(settings)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        main()
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
