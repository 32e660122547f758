"""What a training ran in: recorded with its weights, so that a reproduction knows which bits it may ask for."""

import platform
import re
from importlib.metadata import version
from pathlib import Path

import torch

LIBRARIES = (
    "numpy", "onnx", "onnxruntime", "onnxscript", "pandas", "pillow", "pyarrow", "pytorch-lightning", "scikit-learn",
    "tokenizers", "torch", "torch-pruning", "transformers",
)  # fmt: skip
"""They read the data, shape the network, or write its graph."""
CPUINFO = Path("/proc/cpuinfo")
NAMES = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
"""What the kernel says of a processor's kind, on x86 and on ARM."""


def environment() -> dict[str, str]:
    """Python and the versions of the libraries."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def machine(device: torch.device) -> dict[str, str]:
    """What else the last bits of weights depend on: the processor, the kernels chosen for it, the threads, the GPU.

    Args:
        device: that the training ran on.
    """
    found = {
        "processor": processor(CPUINFO.read_text(encoding="utf-8")),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }
    return found | ({"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {})


def processor(cpuinfo: str) -> str:
    """The kind of a processor, from what the kernel says of it."""
    said = dict(re.findall(r"^([\w ]+?)\s*: (.+)$", cpuinfo, re.MULTILINE))
    parts = [f"{name} {said[name]}".removeprefix("model name ") for name in NAMES if name in said]
    return ", ".join(parts) or platform.machine()
