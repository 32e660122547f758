"""Reading what a checkpoint of transformers holds, whether on this machine or on the hub.

One rule for all that is read of it: code that it brings along is never run, and of a local folder nothing is looked for
elsewhere.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from components.errors import DataError


def read_pretrained(read: Callable[..., Any], checkpoint: str, place: str, needs: str, **options: Any) -> Any:
    """Calls a ``from_pretrained`` of transformers.

    Args:
        read: that function.
        checkpoint: hub id or local folder.
        place: of the parameter that names it, dotted.
        needs: a sentence on what the checkpoint must hold.
        options: for the function.

    Raises:
        DataError: the checkpoint cannot be read.
    """
    try:
        with _quiet():
            name, where = located(checkpoint)
            return read(name, trust_remote_code=False, **where, **options)
    except Exception as error:  # a library that reads a stranger's files fails in any way it likes
        raise DataError(f"{place}: {checkpoint} cannot be loaded: {first_line(error)} {needs}") from error


def located(checkpoint: str) -> tuple[str, dict[str, Any]]:
    """Where transformers finds a checkpoint, as its functions take it: a folder; or a hub id, at its commit if told."""
    name, _, commit = checkpoint.partition("@")
    return name, {"local_files_only": Path(name).is_dir(), **({"revision": commit} if commit else {})}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' own progress bars and advice off the terminal."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def first_line(error: Exception) -> str:
    """What an error says, or its type where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
