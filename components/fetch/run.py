"""The files of stage ``fetch``."""

import shutil
from pathlib import Path

from components.contracts import FETCHED
from components.fetch.catalogue import CATALOGUE
from components.fetch.dataset import DataSet
from components.fetch.obtaining import obtain
from components.fetch.own import copy_checkpoint
from components.files import whole_folder, write_json, write_text
from components.params import Params
from components.settings import Settings

NOTE = "fetch.dataset is none in params.yaml: the data is your own, and ingest.source.path says where it lies.\n"


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/fetched``.

    Raises:
        DataError: no source could give a data set, with one sentence about each; or there is no such checkpoint.
    """
    wanted = [name for name in (params.fetch.dataset, params.fetch.weights) if name != "none"]
    with whole_folder(FETCHED) as folder:
        sources = {name: _bring(name, settings, folder) for name in wanted}
        if wanted:
            write_json(folder / "SOURCE.json", sources)
        else:
            write_text(folder / "README.txt", NOTE)
            print("No public data set is asked for.")


def _bring(name: str, settings: Settings, folder: Path) -> dict[str, object]:
    """Puts a data set of the catalogue, or a checkpoint of the user's own, into a folder, and says what it is."""
    if name not in CATALOGUE:
        sums = copy_checkpoint(Path(name), folder / Path(name).name)
        print(f"{name}: {len(sums)} files.")
        return {"places": [name], "sha256": sums}
    dataset, kept = CATALOGUE[name], settings.home / "datasets" / name
    origin = obtain(name, dataset, kept, settings.datasets and settings.datasets / name)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    print(f"{dataset.title}: {_files(dataset)}, sums hold; from {origin}.")
    return _source(dataset)


def _files(dataset: DataSet) -> str:
    return f"{len(dataset.files)} files" if len(dataset.files) > 1 else dataset.files[0].name


def _source(dataset: DataSet) -> dict[str, object]:
    return {
        "title": dataset.title,
        "places": [origin.name for origin in dataset.origins],
        "copyright": dataset.copyright,
        "licence": dataset.licence,
        "sha256": {file.name: file.sha256 for file in dataset.files},
    }
