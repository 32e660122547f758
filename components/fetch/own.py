"""A checkpoint of the user's own, brought to where the other stages look for it."""

import shutil
from pathlib import Path

from components.errors import DataError
from components.files import file_sha256

KINDS = (".json", ".txt", ".model", ".safetensors")
"""Of weights, configurations and tokenizers; pickles and code are left where they are."""


def copy_checkpoint(checkpoint: Path, folder: Path) -> dict[str, str]:
    """Copies the files of a checkpoint of transformers into a folder that does not exist.

    Returns:
        The sha256 of each file, by name.

    Raises:
        DataError: there is no such checkpoint, or it has no weights as safetensors.
    """
    files = sorted(file for file in checkpoint.glob("*") if file.suffix in KINDS and file.is_file())
    if not any(file.suffix == ".safetensors" for file in files):
        raise DataError(
            f"fetch.weights: {checkpoint} holds no .safetensors file. Save a model of transformers there, with its "
            "tokenizer where it reads texts."
        )
    folder.mkdir()
    return {file.name: file_sha256(Path(shutil.copyfile(file, folder / file.name))) for file in files}
