"""Ray's head, for sweeps: on loopback, without a dashboard, behind the token that sweeps use."""

import os
import sys
from pathlib import Path

from components.sweep.cluster import ON_LOOPBACK, TOKEN, make_token, token_file
from flows.ports import LOOPBACK
from flows.stack.health import listens
from flows.stack.part import Part, Port
from flows.stack.site import Site

NAME = "ray"
READY = "ray_current_cluster"
"""File that Ray writes when all of its processes run."""
STORE_BYTES = 100 * 2**20
"""Trials share their data through the memory map of its files, so the object store is small."""


def part(site: Site) -> Part:
    """The head."""
    port, scratch = site.stack.ray_port, site.scratch / NAME
    options = {
        "--node-ip-address": LOOPBACK,
        "--port": str(port),
        "--num-cpus": str(len(os.sched_getaffinity(0))),
        "--object-store-memory": str(STORE_BYTES),
        "--include-dashboard": "false",
        "--include-log-monitor": "false",
        "--temp-dir": str(scratch),
    }
    words = [word for option in options.items() for word in option]
    connected = listens(LOOPBACK, port)
    return Part(
        name=NAME,
        about="trials of sweeps",
        command=(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *words),
        healthy=lambda: (scratch / READY).exists() and connected(),
        address=f"{LOOPBACK}:{port}",
        environment=ON_LOOPBACK | TOKEN | {"RAY_ADDRESS": None, "RAY_AUTH_TOKEN_PATH": str(token_file(site.settings))},
        ports=(Port(LOOPBACK, port, "TUNESMITH_STACK_RAY_PORT"),),
        prepare=lambda: _prepare(site, scratch),
    )


def _prepare(site: Site, scratch: Path) -> None:
    make_token(site.settings)
    site.make_scratch()
    scratch.mkdir(exist_ok=True)
    (scratch / READY).unlink(missing_ok=True)
