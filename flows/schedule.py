"""The Prefect flow ``sweep``, and this process as what runs it at the times of a schedule."""

from components.settings import Settings
from flows.orchestrator import prefect_server


def serve_sweeps(settings: Settings, cron: str, *, applying: bool) -> None:
    """Serves the flow until it is interrupted.

    Args:
        settings: where things are.
        cron: the times, as five fields of cron.
        applying: whether the winner is written into params.yaml and the line run.

    Raises:
        SettingsError: the times cannot be read.
    """
    with prefect_server(settings, scheduling=True):
        from flows.sweep_flow import serve

        serve(cron, applying=applying)
