"""``python -m flows.stack``: the supervisor, as ``tunesmith up`` leaves it behind."""

import asyncio
import sys

from rich.console import Console

from components.errors import TunesmithError
from components.settings import load_settings
from flows.stack.parts import parts_of
from flows.stack.report import Progress
from flows.stack.site import site_of
from flows.stack.supervisor import Supervisor


def main() -> None:
    """Keeps the parts that are named on the command line until it is ended."""
    try:
        site = site_of(load_settings(), frozenset(sys.argv[1:]))
        supervisor = Supervisor(site, parts_of(site), Progress(Console(), stamped=True).saw)
        supervisor.announce()
        asyncio.run(supervisor.run())
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    sys.exit(1 if supervisor.state.fault else 0)


if __name__ == "__main__":
    main()
