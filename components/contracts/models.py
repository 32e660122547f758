"""What training and compression leave: weights, curves, and the measured variants of the exported graph."""

from components.contracts.record import Record


class TrainedModel(Record):
    """How training ended: ``models/train/trained.json``, beside ``best.safetensors`` and ``last.safetensors``."""

    run_id: str
    """MLflow run that holds the curves."""
    epochs: int
    best_epoch: int
    validation_score: float
    """Accuracy or R² of the best weights (:attr:`components.contracts.Target.score`)."""
    parameters: int


class Epoch(Record):
    """One epoch of the training: an entry of ``reports/train/history.json``."""

    epoch: int
    """From 1."""
    train_loss: float
    validation_loss: float
    validation_score: float
    learning_rate: float
    """At the end of the epoch."""
    seconds: float


class Latency(Record):
    """Wall time of one inference, one thread, in milliseconds."""

    p50: float
    p99: float


class Variant(Record):
    """One exported model as it was measured."""

    name: str
    file: str
    bytes: int
    validation_score: float
    latency_1: Latency
    """Batch of one."""
    latency_32: Latency
    refused: str | None
    """Why it may not be chosen, in words."""


class Compressed(Record):
    """The measured variants and the choice: ``models/compress/compressed.json``, beside the graphs."""

    variants: tuple[Variant, ...]
    chosen: str
    reason: str
    parity_difference: float
    """Largest difference between an answer of the fp32 graph and the network's, on validation samples; of values, as a
    share of the training split's deviation."""
