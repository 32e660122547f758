"""A workspace in which the digits have been trained on: where the compression begins."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from components.contracts import PREPARED, TRAINED, Preprocessing
from components.nets import build_network, build_preprocess
from components.params import Params, load_params
from components.params.reading import CHECKED
from components.params.sections import CnnParams
from tests.digits import digit_images, write_prepared
from tests.places import REPOSITORY

CNN = CnnParams(name="cnn", filters=(8, 8), dense=(32, 16), activation="relu", batch_norm=False, dropout=0.0)


def write_trained(root: Path) -> Params:
    """A workspace with a network that knows the digits, trained here in a few steps."""
    write_prepared(root)
    params = load_params(REPOSITORY / "presets" / "digits.yaml")
    params = params.model_copy(update={"train": params.train.model_copy(update={"network": CNN})})
    torch.manual_seed(0)
    fitted = Preprocessing.read(root / PREPARED / "preprocessing.json")
    network, preprocess = build_network(params.train, fitted.inputs, 10), build_preprocess(fitted.inputs)
    images, labels = digit_images()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    inputs, targets = preprocess(torch.from_numpy(images[:1300])), torch.from_numpy(labels[:1300])
    for step in range(100):
        chosen = torch.arange(1300)[step % 10 :: 10]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs[chosen]), targets[chosen]).backward()
        optimizer.step()
    (root / TRAINED).mkdir(parents=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, root / TRAINED / "best.safetensors")
    return params


def with_variants(params: Params, variants: dict[str, dict[str, Any]], **changes: Any) -> Params:
    """params.yaml with other variants, and other keys of the section ``compress``."""
    tree = params.model_dump(mode="json", by_alias=True)
    tree["compress"] |= {"variants": variants, **changes}
    return CHECKED.validate_python(tree)


def static_int8(**changes: Any) -> dict[str, Any]:
    """A static quantization, of fp32 if nothing else is said."""
    plain = {"of": "fp32", "calibration": "min_max", "calibration_samples": 128, "max_layer_shift": None}
    return {"name": "static_int8", **plain, **changes}


def training(name: str, **changes: Any) -> dict[str, Any]:
    """A technique that trains, for an epoch if nothing else is said."""
    return {"of": "fp32", "name": name, "epochs": 1, "learning_rate": 0.004, **changes}
