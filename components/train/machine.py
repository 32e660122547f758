"""What this machine can give, asked before any work: a wish that it cannot fulfil is refused in a sentence."""

from components.errors import TrainingError
from components.params.sections import TrainParams


def check_machine(train: TrainParams) -> None:
    """Makes sure that a training can start here; reads no data.

    Args:
        train: accelerator, devices, strategy and precision are looked at.

    Raises:
        TrainingError: accelerator, devices, strategy or precision are not there; says what would do.
    """
    import torch

    gpus = torch.cuda.device_count() if train.accelerator != "cpu" else 0
    if train.accelerator == "gpu" and not gpus:
        raise TrainingError("train.accelerator is gpu, and this machine has none. Set it to auto or cpu.")
    if gpus and train.devices > gpus:
        raise TrainingError(f"train.devices is {train.devices}, and this machine has {gpus} GPUs. Lower it.")
    if train.precision == "16-mixed" and not gpus:
        raise TrainingError(
            "train.precision 16-mixed needs a GPU, and this machine trains on its processors. "
            "Set it to 32-true or bf16-mixed."
        )
    if train.precision == "bf16-mixed" and gpus and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise TrainingError("train.precision bf16-mixed is more than this GPU can do. Set it to 16-mixed or 32-true.")
