"""The files of stage ``compress``."""

import shutil
from functools import partial

import torch

from components.compress.frontier import choose
from components.compress.making import Shelf, keys_of
from components.compress.measuring import measure
from components.compress.techniques import Techniques
from components.contracts import COMPRESSED, PREPARED, REPORTS, Compressed, LabelledArrays, Preprocessing, Target
from components.errors import CompressionError
from components.files import whole_folder, write_text
from components.params import Params
from components.params.sections import FP32
from components.settings import Settings


def run(params: Params, settings: Settings) -> None:
    """Runs the stage.

    Raises:
        CompressionError: the exported graph does not answer as the network does.
        TrainingError: a training of a variant diverged.
    """
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    validation = LabelledArrays.load(PREPARED / "validation")
    shelf = Shelf(settings.home / "compress", keys_of(params))
    techniques = Techniques(params, fitted, shelf, validation)
    unmade = make_variants(techniques)
    names = [name for name in shelf.keys if name not in unmade]
    served = techniques.served(techniques.network(FP32)[0])
    variants, eager = measure(names, shelf, served, validation, params)
    chosen, reason = choose(variants, unmade, params.compress, fitted.target)
    compressed = Compressed(
        variants=tuple(variants),
        unmade=unmade,
        chosen=chosen.name,
        reason=reason,
        within_budget=chosen.name != FP32,
        torch_eager=eager,
        sensitivity={name: made for name in names if (made := shelf.made(name).sensitivity)},
        formats=(),
    )
    _write(compressed, shelf, fitted.target, params.name)
    shelf.clear()
    print(f"Chosen: {reason}.")


def make_variants(techniques: Techniques) -> dict[str, str]:
    """Makes every variant that is not there yet; gives those that could not be made, with their reasons.

    Raises:
        CompressionError: the trained network cannot be exported.
    """
    shelf, unmade = techniques.shelf, dict[str, str]()
    shelf.folder.mkdir(parents=True, exist_ok=True)
    shelf.keep(FP32, techniques.make_fp32)
    wanted = techniques.params.compress.variants
    for number, (name, technique) in enumerate(wanted.items(), 1):
        if technique.of in unmade:
            unmade[name] = f"there is no {technique.of} to make it of"
            continue
        print(f"Variant {number} of {len(wanted)}: {name}, {technique.name} of {technique.of}.", flush=True)
        try:
            if shelf.keep(name, partial(techniques.make, name)):
                print("It is there from before.", flush=True)
        except CompressionError as error:
            unmade[name] = str(error)
            print(f"It cannot be made: {error}", flush=True)
    return unmade


def _write(compressed: Compressed, shelf: Shelf, target: Target, name: str) -> None:
    from components.compress.report import render

    with whole_folder(COMPRESSED) as folder:
        for variant in compressed.variants:
            shutil.copyfile(shelf.graph(variant.name), folder / variant.file)
        compressed.write(folder / "compressed.json")
    with whole_folder(REPORTS / "compress") as folder:
        write_text(folder / "report.html", render(compressed, target, name))
