"""The files of stage ``compress``."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from components.compress.formats.conversion import convert, require_converters
from components.compress.frontier import choose
from components.compress.making import NETWORK, Shelf, keys_of
from components.compress.measuring import measure
from components.compress.networks import ARCHITECTURE, WEIGHTS
from components.compress.report import render
from components.compress.techniques import Techniques
from components.contracts import (
    COMPRESSED,
    PREPARED,
    REPORTS,
    Compressed,
    FormatParity,
    LabelledArrays,
    Preprocessing,
    Variant,
)
from components.errors import CompressionError
from components.files import whole_folder, write_text
from components.inference import answers, open_graph
from components.params import Params
from components.params.sections import FP32, TrainingTechnique
from components.settings import Settings
from components.train.machine import check_machine


def run(params: Params, settings: Settings) -> None:
    """Runs the stage.

    Raises:
        CompressionError: the trained network cannot be exported as it is, a converter is missing or does it wrongly.
        TrainingError: this machine cannot train as the section ``train`` says.
    """
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    validation = LabelledArrays.load(PREPARED / "validation")
    require_converters(params.compress.formats, settings.home)
    if any(isinstance(technique, TrainingTechnique) for technique in params.compress.variants.values()):
        check_machine(params.train)
    shelf = Shelf(settings.home / "compress", keys_of(params))
    techniques = Techniques(params, fitted, shelf, validation)
    compressed = judged(techniques, make_variants(techniques))
    with whole_folder(COMPRESSED) as folder:
        for variant in compressed.variants:
            shutil.copyfile(shelf.graph(variant.name), folder / variant.file)
        network = shelf.place(network_behind(compressed.best)) / NETWORK
        shutil.copyfile(network / WEIGHTS, folder / WEIGHTS)
        shutil.copyfile(network / ARCHITECTURE, folder / ARCHITECTURE)
        formats = tuple(written_formats(techniques, compressed.best, folder, settings.home))
        compressed = compressed.model_copy(update={"formats": formats})
        compressed.write(folder / "compressed.json")
    with whole_folder(REPORTS / "compress") as folder:
        write_text(folder / "report.html", render(compressed, fitted.target, params.name))
    shelf.clear()
    print(f"Chosen: {compressed.reason}. Every variant: {REPORTS / 'compress' / 'report.html'}")


def judged(techniques: Techniques, unmade: dict[str, str]) -> Compressed:
    """Measures the variants that could be made, and chooses among them."""
    shelf, params, target = techniques.shelf, techniques.params, techniques.fitted.target
    names = [name for name in shelf.keys if name not in unmade]
    served = techniques.served(techniques.network(FP32)[0])
    variants, eager = measure(names, shelf, served, techniques.validation, params)
    chosen, reason = choose(variants, unmade, params.compress, target)
    return Compressed(
        variants=tuple(variants),
        unmade=unmade,
        chosen=chosen.name,
        reason=reason,
        within_budget=chosen.name != FP32,
        torch_eager=eager,
        sensitivity={name: made for name in names if (made := shelf.made(name).sensitivity)},
        formats=(),
    )


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


def network_behind(variant: Variant) -> str:
    """Name of the variant whose network it is: its own, or what it was made from where only its graph was changed."""
    return variant.of if variant.of and variant.parity_difference is None else variant.name


def written_formats(techniques: Techniques, chosen: Variant, folder: Path, home: Path) -> Iterator[FormatParity]:
    """Writes the network of a variant in the formats of ``compress.formats``, and holds each against its graph.

    Raises:
        CompressionError: a converter cannot take it.
    """
    name = network_behind(chosen)
    samples = techniques.parity_inputs
    for wanted in techniques.params.compress.formats:
        print(f"Writing {name} as {wanted}.", flush=True)
        given = answers(open_graph(techniques.shelf.graph(name)), samples)
        served = techniques.served(techniques.network(name)[0])
        most = techniques.params.compress.max_parity_difference
        yield convert(wanted, served, samples, given, most, folder, home)
