"""The Prefect flow ``retrain``: one task for each stage of dvc.yaml, along its edges, then register, gate and promote.

Where DVC has a default remote, what is lacking is pulled before all that, and what was made is pushed after.

To be imported inside :func:`flows.orchestrator.prefect_server`: Prefect reads its environment when it is imported.
Prefect's own result cache stays off: whether a stage must run is DVC's decision alone.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from prefect import State, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Completed

from components.errors import TunesmithError
from components.feedback import waiting
from components.gate import GateDecision, judge
from components.params import load_params
from components.promote import Promotion
from components.register import Registered, register
from components.settings import load_settings
from flows import artifacts, remotes
from flows.again import begin_again
from flows.board import BOARD, Recorder
from flows.graph import Graph, Stage, open_graph
from flows.line import decision_of, settled
from flows.runs import Run, Runs, StageResult, decision_key
from flows.stage_process import end_running_stages, reproduce_stage
from flows.versions import promote_by_gate
from flows.why import GATHERED, REFRESHED
from flows.workspace import PATIENCE_SECONDS, exclusive

STEPS = ("register", "gate", "promote")
"""What follows the stages of dvc.yaml and cannot be taken back by running something again."""

PULL, PUSH = "pull", "push"
"""What stands before and after all that where there is a remote."""

TAKING = {"TUNESMITH_TAKE_FEEDBACK": "true"}

T = TypeVar("T")
Future = PrefectFuture[Any]


@flow(name="retrain", result_serializer="json", on_crashed=[begin_again])
def retrain(
    promoting: bool = True,
    retries: int = 0,
    reason: str = "",
    patience: float = PATIENCE_SECONDS,
    feedback: bool = False,
) -> Run:
    """Brings every stage up to date, registers what came out, and promotes it if the gate lets it.

    Args:
        promoting: whether a challenger that the gate lets through becomes champion at once.
        retries: how often a stage that failed is tried again.
        reason: why this run was started, for the journal.
        patience: how long another run in this workspace is waited for, in seconds.
        feedback: whether what people have said of the server's answers since is taken in.

    Returns:
        What was done and decided; where nothing has changed, what had been.

    Raises:
        TunesmithError: a stage or a step failed; the line stopped there.
        RemoteError: what was made and decided stands, but could not be pushed.
        WorkspaceBusy: another run is at work in this workspace.
    """
    settings = load_settings()
    with exclusive(settings, patience):
        decided = settled(load_params(), settings, promoting=promoting, feedback=feedback)
        if decided is not None:
            return decided
        with open_graph() as graph:
            stages = [stage.name for stage in graph.stages]
        before, after = ((PULL,), (PUSH,)) if remotes.named() else ((), ())
        recorder = Recorder(BOARD.get(), [*before, *stages, *STEPS, *after])
        journal = Runs(settings.home)
        run = journal.begin(reason)
        try:
            with recorder.listening():
                if before:
                    pull_lacking()
                run = _decide(run, promoting=promoting, retries=retries, feedback=feedback)
                if after:
                    push_made()
        except BaseException as error:
            journal.end(run if run.outcome else run.failed(error), recorder.results())
            raise
        return journal.end(run, recorder.results())


def _decide(run: Run, *, promoting: bool, retries: int, feedback: bool) -> Run:
    """The run with what was decided about what came out: now, or when the line was last in this state."""
    decided = decision_of(load_params(), load_settings(), promoting=promoting, feedback=feedback)
    if decided is not None:
        for result in (*decided.stages, *(StageResult.idle(step, "unchanged") for step in STEPS)):
            BOARD.get().finished(result)
        return run.deciding_as(decided)
    with open_graph() as graph:
        forced = _forced(graph, feedback=feedback)
    return _conclude(run, _walk(graph.stages, forced, retries), promoting=promoting)


def _forced(graph: Graph, *, feedback: bool) -> frozenset[str]:
    """The stages that read what DVC does not know, where that may have changed: they run whatever DVC says."""
    if feedback and len(waiting(load_settings(), load_params().name)):
        return frozenset({GATHERED, REFRESHED})
    return frozenset({REFRESHED} if any(graph.changes(stage.name) for stage in graph.stages) else ())


def _walk(stages: Sequence[Stage], forced: frozenset[str], retries: int) -> list[Future]:
    """Runs every stage as soon as those that it reads from have ended.

    Args:
        stages: in topological order.
        forced: those that run whatever DVC says.
        retries: of each stage.
    """
    futures: dict[str, Future] = {}
    try:
        for stage in stages:
            futures[stage.name] = run_stage.with_options(
                name=stage.name, task_run_name=stage.name, description=stage.description, retries=retries
            ).submit(
                stage.name,
                force=stage.name in forced,
                wait_for=[futures[name] for name in stage.waits_for],
                return_state=False,
            )
        for future in futures.values():
            future.wait()
    except BaseException:  # Ctrl-C above all: no stage must go on without its run
        end_running_stages()
        raise
    for future in futures.values():
        future.result()  # raises what the first failed stage raised
    return list(futures.values())


@task(cache_policy=NO_CACHE, result_serializer="json")
def run_stage(stage: str, force: bool) -> State[StageResult] | StageResult:
    """Brings one stage up to date, if anything of it changed or it is forced.

    Raises:
        StageFailed: it failed; says it in the stage's own words.
    """
    board, logger, began = BOARD.get(), get_run_logger(), time.monotonic()
    with open_graph() as graph:
        if not force and not graph.changes(stage):
            result = StageResult.idle(stage, "unchanged")
            board.finished(result)
            return Completed(name="Cached", message="Nothing that it depends on has changed.", data=result)

    def listen(line: str) -> None:
        logger.info(line)
        board.said(stage, line)

    board.started(stage)
    try:
        taking = TAKING if force and stage == GATHERED else {}
        result = reproduce_stage(stage, load_settings(), listen, force=force, variables=taking)
    except TunesmithError as error:
        seconds = time.monotonic() - began
        board.finished(StageResult(stage=stage, state="failed", seconds=seconds, summary=str(error)))
        raise
    create_markdown_artifact(key=stage, markdown=artifacts.of_stage(result), description=f"What {stage} says.")
    board.finished(result)
    return result


def _conclude(run: Run, futures: Sequence[Future], *, promoting: bool) -> Run:
    """Registers, asks the gate, and promotes."""
    registered = register_model(wait_for=futures)
    decision = ask_gate(registered)
    key = decision_key(load_params(), load_settings())
    decided = run.model_copy(update={"key": key, "version": registered.version, "sentence": decision.sentence()})
    if not decision.passed:
        return decided.model_copy(update={"outcome": "refused"})
    if not promoting:
        return decided.model_copy(update={"outcome": "held"})
    promote_version(decision)
    return decided.model_copy(update={"outcome": "promoted"})


@task(name=PULL, task_run_name=PULL, cache_policy=NO_CACHE, result_serializer="json")
def pull_lacking() -> str:
    """Brings what the line lacks from DVC's remote.

    Raises:
        RemoteError: it cannot be reached.
    """
    return _step(PULL, lambda: remotes.pull(load_settings(), partial(BOARD.get().said, PULL)), str)


@task(name=PUSH, task_run_name=PUSH, cache_policy=NO_CACHE, result_serializer="json")
def push_made() -> str:
    """Hands what the line made to DVC's remote.

    Raises:
        RemoteError: it does not have everything now.
    """
    return _step(PUSH, lambda: remotes.push(load_settings(), partial(BOARD.get().said, PUSH)), str)


@task(name="register", task_run_name="register", cache_policy=NO_CACHE, result_serializer="json")
def register_model() -> Registered:
    """Registers what the line made as the challenger.

    Raises:
        TunesmithError: it cannot be registered.
    """
    return _step("register", lambda: register(load_params(), load_settings()), artifacts.of_registration)


@task(name="gate", task_run_name="gate", cache_policy=NO_CACHE, result_serializer="json")
def ask_gate(registered: Registered) -> GateDecision:
    """Asks whether the challenger may replace the champion.

    Raises:
        TunesmithError: the two cannot be fetched or compared.
    """
    work = lambda: judge(load_params(), load_settings(), registered.version)  # noqa: E731
    return _step("gate", work, GateDecision.sentence)


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, result_serializer="json")
def promote_version(decision: GateDecision) -> Promotion:
    """Makes the challenger champion, and tells before what it did in the champion's shadow.

    Raises:
        PromotionRefused: another version became champion after the gate had compared, or a server does not serve it.
    """
    tell = partial(BOARD.get().said, "promote")
    return _step("promote", lambda: promote_by_gate(load_settings(), decision, tell), Promotion.sentence)


def _step(name: str, work: Callable[[], T], tell: Callable[[T], str]) -> T:
    """Does one of the steps after the stages, and shows it as a stage is shown."""
    board, began = BOARD.get(), time.monotonic()
    board.started(name)
    try:
        done = work()
    except TunesmithError as error:
        seconds = time.monotonic() - began
        board.finished(StageResult(stage=name, state="failed", seconds=seconds, summary=str(error)))
        raise
    sentence = tell(done)
    get_run_logger().info(sentence)
    create_markdown_artifact(key=name, markdown=sentence, description=f"What {name} says.")
    board.finished(StageResult(stage=name, state="ran", seconds=time.monotonic() - began, summary=sentence))
    return done
