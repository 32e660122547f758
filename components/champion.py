"""Stage ``champion``: which version is champion, and its package, held still for the whole line.

Reads the registry. Writes ``data/champion/champion.json`` and, where there is a champion, ``data/champion/package``.
Guarantees: the package is whole and signed by a trusted key; a registry that cannot be reached is an error and never
"no champion".
"""

from components.contracts import CHAMPION, ChampionRef
from components.files import whole_folder
from components.params import Params
from components.registry import Registry
from components.settings import Settings
from components.stage import run_stage


def run(params: Params, settings: Settings) -> None:
    """Runs the stage.

    Raises:
        RegistryError: the registry cannot be reached.
        PackageError: the champion's package does not verify.
    """
    registry = Registry(settings, params.name)
    version = registry.champion()
    with whole_folder(CHAMPION) as folder:
        if version is not None:
            registry.download(version, folder / "package")
        ChampionRef(version=version).write(folder / "champion.json")
    print(f"No champion of '{params.name}' yet." if version is None else f"Champion: version {version}.")


if __name__ == "__main__":
    run_stage("champion", run)
