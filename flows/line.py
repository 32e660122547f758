"""A run of the line: nothing at all where nothing changed, the flow ``retrain`` where something did."""

from components.files import file_sha256
from components.params import Params, load_params
from components.registry import COMPLETE, LOCK_TAG, peek
from components.settings import Settings
from flows import remotes
from flows.graph import open_graph
from flows.runs import LOCK, Run, Runs, StageResult, decision_key
from flows.workspace import exclusive


def run_line(settings: Settings, *, promoting: bool = True, retries: int = 0, feedback: bool = False) -> Run:
    """Brings the line up to date, and decides about what came out.

    Whether there is anything to do is asked of DVC and of the registry, in this process and before Prefect is imported.

    Args:
        settings: where things are.
        promoting: whether a challenger that the gate lets through becomes champion at once.
        retries: how often a stage that failed is tried again.
        feedback: whether corrections that wait are taken in.

    Returns:
        What was done; where nothing was, what had been decided, with every stage unchanged.

    Raises:
        TunesmithError: a stage or a step failed, the workspace is busy, or this machine cannot train as asked.
    """
    params = load_params()
    with exclusive(settings):
        decided = settled(params, settings, promoting=promoting, feedback=feedback)
        if decided is not None:
            return decided
        from components.train.machine import check_machine
        from flows.orchestrator import prefect_server

        check_machine(params.train)
        with prefect_server(settings):
            from flows.retrain import retrain

            return retrain(promoting=promoting, retries=retries, feedback=feedback)


def settled(params: Params, settings: Settings, *, promoting: bool, feedback: bool) -> Run | None:
    """The run that left nothing to do, if there is one; also nothing to be pushed.

    Args:
        params: the whole of params.yaml.
        settings: where things are.
        promoting: whether a challenger that was held back would now be promoted.
        feedback: whether corrections that wait are something to do.
    """
    if remotes.unsent(settings):
        return None
    return decision_of(params, settings, promoting=promoting, feedback=feedback)


def decision_of(params: Params, settings: Settings, *, promoting: bool, feedback: bool) -> Run | None:
    """The run that decided about the line as it is, if there is one and no stage would run.

    Args:
        params: the whole of params.yaml.
        settings: where things are.
        promoting: whether a challenger that was held back would now be promoted.
        feedback: whether corrections that wait are something to do.
    """
    if feedback and _awaits_feedback(params, settings):
        return None
    key = decision_key(params, settings)
    found = Runs(settings.home).settled(key, promoting=promoting) if key else None
    if found is None or not _is_registered(params, settings):
        return None
    with open_graph() as graph:
        if any(graph.changes(stage.name) for stage in graph.stages):
            return None
        stages = tuple(StageResult.idle(stage.name, "unchanged") for stage in graph.stages)
    return found.model_copy(update={"stages": stages})


def _awaits_feedback(params: Params, settings: Settings) -> bool:
    from components.feedback import waiting  # pandas and pyarrow, without which an unchanged line is told much sooner

    return len(waiting(settings, params.name)) > 0


def _is_registered(params: Params, settings: Settings) -> bool:
    """Whether the registry still holds what dvc.lock tells of, as far as that can be asked quickly."""
    version = peek(settings, params.name, LOCK_TAG, file_sha256(LOCK))
    return version is not None and COMPLETE in version.tags
