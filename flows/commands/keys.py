"""``tunesmith keys``: the API keys of the server."""

from typing import Annotated

import typer

from flows.commands.entry import Json, enter

keys = typer.Typer(help="Makes, lists and removes the API keys of the server.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What the key is called: small letters, digits, hyphens.")]


@keys.command()
def add(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="It may see /model and /metrics, too.")] = False,
    per_second: Annotated[float | None, typer.Option(min=0.01, help="Requests a second, on average.")] = None,
    per_day: Annotated[int | None, typer.Option(min=1, help="Requests from midnight to midnight, UTC.")] = None,
) -> None:
    """Make a key and print it, for the only time; servers know it within seconds."""
    from components.api_keys import make_key

    print(make_key(enter().key_folder, name, "admin" if admin else "predict", per_second, per_day))


@keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the keys: what they are called and may do, not what they are."""
    from components.api_keys import read_keys
    from flows.report import output, print_json, print_keys

    found = read_keys(enter().key_folder)
    if as_json:
        print_json([key.model_dump(mode="json", exclude={"sha256"}) for key in found])
    elif found:
        print_keys(found, output())
    else:
        print("No key yet: on loopback everybody is answered.")


@keys.command()
def remove(name: Name) -> None:
    """Remove a key; servers refuse it within seconds."""
    from components.api_keys import remove_key

    remove_key(enter().key_folder, name)
    print(f"Removed '{name}'.")
