"""The service: answers over HTTP from the champion, and follows the registry."""

import sys

from flows.stack.health import answers
from flows.stack.part import Part, Port
from flows.stack.parts import mlflow
from flows.stack.site import Site, reached

NAME = "service"


def part(site: Site) -> Part:
    """The service; it is well also while there is no champion yet."""
    host, port = site.settings.host, site.settings.port
    address = f"http://{reached(host)}:{port}"
    return Part(
        name=NAME,
        about="answers from the champion",
        command=(sys.executable, "-m", "serving", "--name", site.model),
        healthy=answers(f"{address}/livez"),
        address=address,
        needs=(mlflow.NAME,),
        environment=site.variables(),
        ports=(Port(host, port, "TUNESMITH_PORT"),),
    )
