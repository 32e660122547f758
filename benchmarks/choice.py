"""What of a program's measurements the command line asks for."""

import argparse
from collections.abc import Collection


def chosen(program: str, about: str, names: Collection[str]) -> list[str]:
    """The names on the command line, or all of them if there is none; ends the process where one is not known.

    Args:
        program: how it is called.
        about: what it does, for its help.
        names: of all that can be asked for.
    """
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; all of them if none is named")
    given: list[str] = parser.parse_args().names
    for name in given:  # argparse's own choices would refuse that none is named
        if name not in names:
            parser.error(f"there is no {name!r}; choose from {', '.join(names)}")
    return given or list(names)
