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
    environment: dict[str, str]
    """Python, and the versions of the libraries that shaped the model."""
    machine: dict[str, str]
    """What else its bits follow from: the kind of processor, its instructions, the threads, the GPU if it had one."""


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


class Latencies(Record):
    """Wall time of one inference of one sample, and of one of 32."""

    batch_1: Latency
    batch_32: Latency


class Graph(Record):
    """What an exported graph is, counted in its file."""

    bytes: int
    deflated_bytes: int
    """After DEFLATE (RFC 1951), as an archive or a transfer would have it: what zeros are worth."""
    parameters: int
    """Values of its weights."""
    nonzero_parameters: int
    multiply_adds: int
    """Multiplications with an addition for one sample, in convolutions, dense and recurrent layers and attention."""


class LayerShift(Record):
    """What quantizing one layer alone does to the answers."""

    layer: str
    shift: float
    """Mean total variation of the probabilities, or mean difference of the values in deviations of the target."""


class Variant(Record):
    """One exported model as it was measured on this machine."""

    name: str
    of: str | None
    """The variant that it was made from; None: it is the trained network."""
    technique: str
    """What was done to that one; ``training`` for the trained network."""
    file: str
    graph: Graph
    validation_score: float
    class_scores: tuple[float, ...] | None
    """Recall of each class on validation samples; None: it answers values."""
    latency: Latencies
    peak_memory_bytes: int
    """Resident memory that opening it and answering 1 and 32 samples takes, beyond the bare runtime."""
    parity_difference: float | None
    """Largest difference from the answers of its torch network; None: it has none, its graph was changed."""
    company_difference: float
    """Largest difference that the other samples of a batch make to an answer: of a probability, or in the unit."""
    in_float: tuple[str, ...]
    """Layers that were left out of the quantization, by the scan."""
    refused: str | None
    """Why it may not be chosen, in words."""
    dominated_by: str | None
    """A variant that is no worse in score, bytes and latency, and better in one of them."""


class FormatParity(Record):
    """The chosen network in another format, answered by that format's own runtime."""

    name: str
    file: str
    bytes: int
    latency_1: Latency
    equal_answers: float
    """Share of samples with the same class, or a value within a thousandth of the target's deviation."""
    largest_difference: float
    """Of a probability, or of a value in deviations of the target."""
    samples: int


class Compressed(Record):
    """The measured variants and the choice: ``models/compress/compressed.json``, beside the graphs."""

    variants: tuple[Variant, ...]
    """The trained network first, the others in the order of ``params.yaml``."""
    unmade: dict[str, str]
    """Variants that could not be made, and why."""
    chosen: str
    reason: str
    within_budget: bool
    """Whether a compressed variant kept the budget; if none did, the trained network was chosen."""
    torch_eager: Latencies
    """The trained network in torch, eager and in float32, measured beside the graphs."""
    sensitivity: dict[str, tuple[LayerShift, ...]]
    """The scan of each variant that had one, the most sensitive layer first."""
    formats: tuple[FormatParity, ...]

    @property
    def best(self) -> Variant:
        """The chosen variant."""
        return self.named(self.chosen)

    def named(self, name: str) -> Variant:
        """The variant of a name."""
        return next(variant for variant in self.variants if variant.name == name)
