"""What ``make demo`` shows: the whole line, what it measured, and five real questions to a real server over HTTP."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.contracts import COMPRESSED, EVALUATED, PREPARED, Compressed, Evaluated, LabelledArrays, Preprocessing
from components.errors import ServingError
from components.params import Params
from components.registry import Registry
from components.settings import Settings
from flows.report import columns, run_shown
from flows.server import served

QUESTIONS = 5
NEXT = (
    ("reports/evaluate/report.html", "the report: curves, confusion matrix, worst mistakes"),
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
        console.print("\n[bold]Asked over HTTP[/], five images of the test split:")
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
    table = columns("model", "test accuracy", "macro F1", "size", "latency, 1 image", "")
    for variant in compressed.variants:
        metrics = evaluated.variants[variant.name]
        table.add_row(
            variant.name,
            f"{metrics.accuracy:.2%}",
            f"{metrics.macro_f1:.4f}",
            f"{variant.bytes / 1000:,.0f} kB",
            f"{variant.latency_1.p50:.3f} ms",
            "chosen" if variant.name == compressed.chosen else Text(variant.refused or "", overflow="fold"),
        )
    return table


def _ask(address: str, console: Console) -> None:
    """Sends five images as PNG files and prints each answer beside the truth."""
    table = columns("POST /predict", "answer", "confidence", "truth", "")
    for identity, content, truth in _questions():
        answer = _answer(address, content)
        right = Text("right", style="green") if answer["label"] == truth else Text("wrong", style="red")
        table.add_row(
            f"{identity[:12]}.png, {len(content)} bytes", answer["label"], f"{answer['confidence']:.1%}", truth, right
        )
    console.print(table)
    console.print(Text(f"The last answer in full: {json.dumps(answer, ensure_ascii=False)}"), soft_wrap=True)


def _questions() -> list[tuple[str, bytes, str]]:
    """Five test samples of different classes: id, PNG file, true label."""
    labels = Preprocessing.read(PREPARED / "preprocessing.json").labels
    test = LabelledArrays.load(PREPARED / "test")
    _, first_of_class = np.unique(test.labels, return_index=True)
    spread = np.linspace(0, len(first_of_class) - 1, min(QUESTIONS, len(first_of_class))).round().astype(int)
    return [
        (str(test.ids[index]), _png(test.inputs[index]), labels[test.labels[index]]) for index in first_of_class[spread]
    ]


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """A PNG file of an image (height, width, channels) uint8."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _answer(address: str, content: bytes) -> Any:
    answer = httpx.post(f"{address}/predict", content=content, headers={"Content-Type": "image/png"}, timeout=30)
    if not answer.is_success:
        raise ServingError(f"The server at {address} refused an image of the test split: {answer.text}")
    return answer.json()
