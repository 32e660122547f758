"""What runs the deployments of one process, and stops what it is running when that process is asked to end.

To be imported inside :func:`flows.orchestrator.prefect_server`.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

import psutil
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner

from flows.again import resume_later, under_way


class Resuming(Runner):
    """Prefect's runner, which cancels its runs when it is stopped; here others are planned in their place.

    Args:
        names: of its deployments.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(pause_on_shutdown=False)
        self._names = tuple(names)
        self._asked: asyncio.Task[None] | None = None

    def handle_sigterm(self, *args: Any, **kwargs: Any) -> None:
        """Stops in the loop that everything else of it runs in; Prefect's own waits for that loop, inside of it."""
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(self._ask, loop)  # the loop sleeps, and would not see a task that is just made

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._asked is None:
            self._asked = loop.create_task(self._leave())

    async def _leave(self) -> None:
        try:
            await self.astop()
        except Exception as error:  # noqa: BLE001  whatever it is, nothing may be left behind
            print(f"The runs cannot be stopped in good order and are killed: {error}", flush=True)
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
            os._exit(1)  # the runner would wait for the server, which may be gone for good

    async def cancel_all(self) -> None:
        """Cancels the runs that are under way, and plans others in their place: the next start goes on with them."""
        stopped = await asyncio.to_thread(under_way, self._names)
        await super().cancel_all()
        await asyncio.to_thread(resume_later, stopped)


def run_deployments(deployments: Sequence[RunnerDeployment]) -> None:
    """Runs what is due of deployments, until the process gets SIGTERM."""
    runner = Resuming(deployment.name for deployment in deployments)
    for deployment in deployments:
        runner.add_deployment(deployment)
    asyncio.run(runner.start())
