"""What ``make demo`` shows: the whole line, what it measured, and five real questions to a real server over HTTP."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.contracts import (
    COMPRESSED,
    EVALUATED,
    ClassificationMetrics,
    Compressed,
    Evaluated,
    Metrics,
    RegressionMetrics,
)
from components.errors import ServingError
from components.params import Params
from components.registry import Registry
from components.settings import Settings
from flows.questions import Question, questions
from flows.report import columns, run_shown
from flows.server import served

QUESTIONS = 5
NEXT = (
    ("reports/evaluate/report.html", "the report: measures, curves, worst mistakes"),
    ("reports/compress/report.html", "every variant of the model, and why one was chosen"),
    ("{program} status", "champion, challenger, what would run, where things are"),
    ("{program} why", "why each stage would run, or that nothing changed"),
    ("{program} ui mlflow", "training curves, versions, packages"),
    ("{program} ui prefect", "every run, stage by stage, with its log"),
    ("{program} serve", "the champion over HTTP, on http://{host}:{port}"),
)


def show(settings: Settings, params: Params, console: Console) -> None:
    """Runs the line, then serves the champion and asks it, and says everything on the console.

    Raises:
        TunesmithError: a stage failed, or the server does not answer.
    """
    console.print(f"[bold]The line on {params.name}[/]: each stage of dvc.yaml, then register, gate, promote.\n")
    run = run_shown(settings, console)
    console.print("\n[bold]Measured[/], on the test split that no training saw:")
    console.print(_measures())
    if run.outcome == "refused" and Registry(settings, params.name).champion() is None:
        console.print("\nThe gate let nothing through and there was no champion before, so there is nothing to serve.")
    else:
        if run.outcome == "refused":
            console.print("\nThe gate let nothing through: what is asked here is the champion that there was.")
        console.print(f"\n[bold]Asked over HTTP[/], {QUESTIONS} samples of the test split:")
        with served(settings, params.name) as address:
            _ask(address, console)
    console.print("\n[bold]Where to look next[/]")
    table = columns("", "")
    for place, meaning in NEXT:
        table.add_row(place.format(program=_program()), meaning.format(host=settings.host, port=settings.port))
    console.print(table)


def _program() -> str:
    """The command as it can be typed here, where no environment need be activated."""
    called = Path(sys.argv[0]).absolute()
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else called.name


def _measures() -> Table:
    """Every variant as compress and evaluate measured it."""
    compressed = Compressed.read(COMPRESSED / "compressed.json")
    evaluated = Evaluated.read(EVALUATED / "evaluated.json")
    names = list(_shown(evaluated.chosen))
    table = columns("model", *names, "size", "latency, 1 sample", "")
    for variant in compressed.variants:
        table.add_row(
            variant.name,
            *_shown(evaluated.variants[variant.name]).values(),
            f"{variant.graph.bytes / 1000:,.0f} kB",
            f"{variant.latency.batch_1.p50:.3f} ms",
            "chosen" if variant.name == compressed.chosen else Text(variant.refused or "", overflow="fold"),
        )
    return table


def _shown(metrics: Metrics) -> dict[str, str]:
    match metrics:
        case ClassificationMetrics():
            return {"test accuracy": f"{metrics.accuracy:.2%}", "macro F1": f"{metrics.macro_f1:.4f}"}
        case RegressionMetrics():
            return {"test R²": f"{metrics.r2:.4f}", "RMSE": f"{metrics.rmse:,.4g}", "MAE": f"{metrics.mae:,.4g}"}


def _ask(address: str, console: Console) -> None:
    """Sends some test samples and prints each answer beside the truth."""
    table = columns("POST /predict", "answer", "", "truth", "")
    for question in questions(QUESTIONS):
        answer = _answer(address, question)
        table.add_row(Text(question.title), *_judged(answer, question.truth))
    console.print(table)
    console.print(Text(f"The last answer in full: {json.dumps(answer, ensure_ascii=False)}"), soft_wrap=True)


def _judged(answer: Any, truth: str | float) -> tuple[str | Text, ...]:
    """Answer, what it says of itself, truth, and what a person makes of it."""
    if isinstance(truth, str):
        right = Text("right", style="green") if answer["label"] == truth else Text("wrong", style="red")
        return answer["label"], f"{answer['confidence']:.1%}", truth, right
    return f"{answer['value']:,.5g}", answer["name"], f"{truth:,.5g}", f"off by {abs(answer['value'] - truth):,.3g}"


def _answer(address: str, question: Question) -> Any:
    headers = {"Content-Type": question.content_type}
    answer = httpx.post(f"{address}/predict", content=question.content, headers=headers, timeout=30)
    if not answer.is_success:
        raise ServingError(f"The server at {address} refused a sample of the test split: {answer.text}")
    return answer.json()
