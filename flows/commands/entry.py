"""What commands begin with."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.params import Params
    from components.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def located() -> "Settings":
    """Goes to the root of the repository and reads the settings; the home folder is there then.

    Raises:
        GraphError: there is no repository of a line here.
        SettingsError: the environment holds settings that cannot be used, or the home folder cannot be written.
    """
    from components.settings import load_settings, make_folder
    from flows.commands.spelling import misspelt
    from flows.workspace import enter_root

    enter_root()
    for sentence in misspelt(os.environ):
        print(sentence, file=sys.stderr)
    settings = load_settings()
    make_folder(settings.home)
    return settings


def enter() -> "Settings":
    """The same, and sets what the libraries read from the environment.

    Raises:
        TunesmithError: as :func:`located`.
    """
    from components.settings import export_environment

    settings = located()
    export_environment(settings)
    return settings


def known_params() -> "Params":
    """What params.yaml of the repository says.

    Raises:
        ParamsError: it cannot be used.
    """
    from components.params import load_params

    return load_params()
