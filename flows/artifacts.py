"""What Prefect keeps of a stage to look at: Markdown, under the name of the stage."""

from components.contracts import REPORTS
from components.register import Registered
from flows.board import duration
from flows.runs import StageResult

SHOWN = (".html", ".png", ".json")


def of_stage(result: StageResult) -> str:
    """How a stage ended, its last words, and where its reports lie."""
    took = f"**{result.state}** in {duration(result.seconds)}"
    said = "\n".join(f"> {line}" for line in result.summary.splitlines())
    return "\n\n".join(part for part in (took, said, _reports(result.stage)) if part)


def _reports(stage: str) -> str:
    folder = REPORTS / stage
    pages = [page for page in sorted(folder.rglob("*")) if page.suffix in SHOWN] if folder.is_dir() else []
    pages = [page for page in pages if page.suffix == ".html"][:1] or pages
    return "\n".join(f"- [{page}]({page.resolve().as_uri()})" for page in pages)


def of_registration(registered: Registered) -> str:
    """Which version came of it, and which canaries that has ended."""
    if registered.created:
        package = f"package {registered.digest[:12]}…"
        told = f"Version {registered.version} of '{registered.name}' ({package}) is the challenger."
        return " ".join([told, *map(_ended_canary, registered.ended_canaries)])
    return f"This line is version {registered.version} of '{registered.name}' already."


def _ended_canary(version: int) -> str:
    return f"That ends the canary of version {version}: 'tunesmith canary 0.05 --version {version}' begins it anew."
