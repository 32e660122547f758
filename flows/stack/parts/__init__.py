"""The parts of the stack, one module each."""

from collections.abc import Callable, Iterable

from components.errors import SettingsError
from flows.stack.part import Part, in_order
from flows.stack.parts import deployments, mlflow, page, postgres, prefect, prometheus, ray, service
from flows.stack.site import Site

PARTS: dict[str, Callable[[Site], Part]] = {
    module.NAME: module.part for module in (postgres, mlflow, prefect, deployments, ray, service, prometheus, page)
}
"""Every part by its name."""
REQUIRED = {mlflow.NAME: postgres.NAME, prefect.NAME: postgres.NAME, deployments.NAME: prefect.NAME}
"""What a part cannot do without."""


def names_without(left_out: Iterable[str], *, prefect_elsewhere: bool) -> frozenset[str]:
    """The names of the parts that are to start.

    Args:
        left_out: names of those that are not.
        prefect_elsewhere: whether the settings name a Prefect server of their own.

    Raises:
        SettingsError: there is no such part, or another one cannot do without it.
    """
    without = set(left_out)
    if unknown := without - set(PARTS):
        raise SettingsError(f"--without {','.join(sorted(unknown))}: the parts are {', '.join(PARTS)}.")
    names = frozenset(PARTS) - without
    for name, need in REQUIRED.items():
        if name in names and need in without and not (need == prefect.NAME and prefect_elsewhere):
            raise SettingsError(f"{name} cannot do without {need}: leave out both, with --without {need},{name}.")
    return names


def parts_of(site: Site) -> list[Part]:
    """The parts of a site, each behind those that it needs."""
    return in_order(PARTS[name](site) for name in PARTS if name in site.names)
