"""Who asks, and whom."""

from starlette.requests import Request

from components.api_keys import Role
from serving.worker import Worker


def admitted(request: Request, role: Role) -> Worker:
    """What the route needs, for who may ask it.

    Raises:
        RequestError: this one may not.
    """
    worker = worker_of(request)
    worker.access.admit(request, role)
    return worker


def worker_of(request: Request) -> Worker:
    """What every route needs."""
    worker: Worker = request.app.state.worker
    return worker
