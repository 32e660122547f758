"""params.yaml as frozen models, one a stage.

No field has a default: a default in Python is an input that DVC does not see.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(strict=False, min_length=1, max_length=8)]


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"each name must occur once; repeated: {', '.join(repeated)}")
    return names


class Section(BaseModel):
    """A part of params.yaml: complete, bounded, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FetchParams(Section):
    """Which public data set is fetched before ingest."""

    dataset: Literal["fashion_mnist", "none"] = Field(
        description="Public data set, checked by sha256, placed in data/fetched; none: you bring your own data."
    )


class ImageSource(Section):
    """What every source of images states: the size that all images are brought to, and what is too large to be read."""

    path: str = Field(min_length=1, description="Folder of the data, relative to the repository.")
    height: int = Field(ge=8, le=1024, description="Height that every image is resized to, in pixels.")
    width: int = Field(ge=8, le=1024, description="Width that every image is resized to, in pixels.")
    channels: Literal[1, 3] = Field(description="1: grey, 3: RGB; other modes are converted.")


class IdxSource(ImageSource):
    """A set in the IDX format: train-images, train-labels, t10k-images, t10k-labels, plain or gzipped."""

    kind: Literal["idx"]
    labels: Annotated[tuple[str, ...], Field(strict=False, min_length=2), AfterValidator(_distinct)] = Field(
        description="Name of each class, in the order of the label numbers."
    )


class ImageFolderSource(ImageSource):
    """A folder with one folder of images a class."""

    kind: Literal["image_folder"]
    max_file_bytes: int = Field(ge=1024, le=2**31, description="Larger files go to quarantine, in bytes.")
    max_pixels: int = Field(
        ge=64, le=2**31, description="Larger images go to quarantine, in pixels; nothing above it is decoded."
    )


class IngestParams(Section):
    """Where the samples come from and how they are split."""

    source: Annotated[
        IdxSource | ImageFolderSource,
        Field(discriminator="kind", description="Format and place of the data."),
    ]
    validation_share: float = Field(
        gt=0,
        le=0.5,
        description="Share of the samples outside the test split that go to validation, by the hash of their content.",
    )
    test_share: float = Field(
        gt=0,
        le=0.5,
        description="Share of the samples that go to test, by the hash of their content; "
        "a source with a test split of its own keeps that.",
    )


class ValidateParams(Section):
    """What must hold of the data before anything is trained on it."""

    min_samples_per_class: int = Field(ge=1, le=10**7, description="Fewest training samples that each class must have.")
    max_class_imbalance: float = Field(
        ge=1, le=10**6, description="Largest class over smallest class, at most, in the training split."
    )
    max_quarantined_share: Share = Field(description="Share of all samples that may be in quarantine.")
    max_drift: float = Field(
        gt=0,
        le=10,
        description="Population stability index of labels, brightness and contrast against the champion's data, "
        "at most (0.1 small, 0.25 large).",
    )


class PrepareParams(Section):
    """What is fitted on the training split."""

    normalisation: Literal["unit", "standard"] = Field(
        description="unit: values in [0, 1]; "
        "standard: then less the training mean, over its standard deviation, per channel."
    )


class Magnitude(Section):
    """A random transformation: how far, and how often."""

    range: float = Field(ge=0, le=180, description="Largest magnitude.")
    probability: Probability = Field(description="Share of the samples that it is applied to.")


class Rotation(Magnitude):
    """Rotation by a uniform angle."""

    range: float = Field(ge=0, le=180, description="Largest angle, in degrees to either side (rotation_range).")


class Shift(Magnitude):
    """Translation by a uniform distance."""

    range: float = Field(
        ge=0,
        le=1,
        description="Largest distance, as a share of the image's side (width_shift_range, height_shift_range).",
    )


class Shear(Magnitude):
    """Shear by a uniform angle."""

    range: float = Field(ge=0, lt=90, description="Largest shear angle, in degrees (shear_range).")


class Zoom(Magnitude):
    """Zoom by a uniform factor, drawn for each axis."""

    range: float = Field(ge=0, lt=1, description="Factor between 1 - range and 1 + range (zoom_range).")


class Flip(Section):
    """Mirroring."""

    probability: Probability = Field(description="Share of the samples that are mirrored (horizontal_flip: 0.5).")


class Erasing(Section):
    """Random erasing: a rectangle is replaced by noise (Zhong et al. 2020, arXiv:1708.04896)."""

    probability: Probability = Field(description="Share of the samples that lose a rectangle.")
    area: Annotated[tuple[Share, Share], Field(strict=False)] = Field(
        description="Smallest and largest area of the rectangle, as a share of the image."
    )

    @field_validator("area")
    @classmethod
    def _ordered(cls, area: tuple[float, float]) -> tuple[float, float]:
        if area[0] > area[1]:
            raise ValueError("the smallest area must not be above the largest")
        return area


class AugmentParams(Section):
    """Random changes of training images, composed into one affine map, for a whole batch on the training device."""

    rotation: Rotation
    width_shift: Shift
    height_shift: Shift
    shear: Shear
    zoom: Zoom
    horizontal_flip: Flip
    random_erasing: Erasing
    oversample: Literal["none", "balance"] = Field(
        description="balance: rarer classes are repeated until all are as frequent as the most frequent one."
    )
    contact_sheet_samples: int = Field(
        ge=1, le=32, description="Samples shown beside their augmentations on the contact sheet."
    )


class CnnParams(Section):
    """Convolutions 3×3 with pooling between them, then dense layers. (32, 64, 64) and (64,) is the reference CNN."""

    name: Literal["cnn"]
    filters: Widths = Field(description="Filters of each convolution; max pooling by 2 follows every one but the last.")
    dense: Widths = Field(description="Units of each hidden dense layer.")
    batch_norm: bool = Field(description="Batch normalisation after each convolution.")
    dropout: float = Field(ge=0, lt=1, description="Share of the features dropped before the dense layers.")

    def last_side(self, side: int) -> int:
        """Side of the last feature map of an image, in pixels; below 1 where the image is too small."""
        for number, _ in enumerate(self.filters, 1):
            side = side - 2 if number == len(self.filters) else (side - 2) // 2
        return side


class MlpParams(Section):
    """Dense layers on the flattened input."""

    name: Literal["mlp"]
    dense: Widths = Field(description="Units of each hidden dense layer.")
    dropout: float = Field(ge=0, lt=1, description="Share of each hidden layer's outputs that is dropped.")


class CrossEntropyParams(Section):
    """Cross-entropy of the predicted distribution."""

    name: Literal["cross_entropy"]
    label_smoothing: float = Field(ge=0, lt=1, description="Probability mass that is spread over all classes.")
    class_weights: Literal["none", "balanced"] = Field(
        description="balanced: classes weigh inversely to their frequency in the training split."
    )


class AdamWParams(Section):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    name: Literal["adamw"]
    learning_rate: float = Field(gt=0, le=10, description="Peak learning rate.")
    weight_decay: float = Field(ge=0, le=1, description="Decoupled weight decay; never on biases and normalisation.")


class SgdParams(Section):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    learning_rate: float = Field(gt=0, le=10, description="Peak learning rate.")
    momentum: float = Field(ge=0, lt=1, description="Momentum; 0: plain gradient descent.")
    nesterov: bool = Field(description="Nesterov's momentum.")
    weight_decay: float = Field(ge=0, le=1, description="Weight decay; never on biases and normalisation.")

    @field_validator("nesterov")
    @classmethod
    def _has_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("Nesterov's momentum needs a momentum above 0")
        return nesterov


class ConstantParams(Section):
    """The same learning rate throughout."""

    name: Literal["constant"]


class CosineParams(Section):
    """Half a cosine from the peak to zero (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

    name: Literal["cosine"]


class OneCycleParams(Section):
    """Up to the peak and down again (Smith & Topin 2019, arXiv:1708.07120)."""

    name: Literal["one_cycle"]
    warmup_share: float = Field(gt=0, lt=1, description="Share of all steps in which the learning rate rises.")


class EarlyStoppingParams(Section):
    """Stops when the validation accuracy no longer rises."""

    patience: int = Field(ge=1, le=1000, description="Epochs without a gain after which training stops.")
    min_delta: float = Field(ge=0, le=1, description="Smallest rise of validation accuracy that counts as a gain.")


class TrainParams(Section):
    """The network, what it minimises, and how."""

    network: Annotated[CnnParams | MlpParams, Field(discriminator="name", description="The network.")]
    loss: CrossEntropyParams
    optimizer: Annotated[AdamWParams | SgdParams, Field(discriminator="name", description="The optimizer.")]
    schedule: Annotated[
        ConstantParams | CosineParams | OneCycleParams,
        Field(discriminator="name", description="The learning rate over the steps."),
    ]
    epochs: int = Field(ge=1, le=10_000, description="Passes over the training split, at most.")
    batch_size: int = Field(ge=1, le=65_536, description="Samples of one step, on each device.")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field(
        description="Arithmetic of the forward and backward pass."
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(description="Kind of device; auto: a GPU where there is one.")
    devices: int = Field(ge=1, le=64, description="Devices of each machine.")
    strategy: Literal["auto", "ddp"] = Field(description="How several devices share the work.")
    gradient_clip_norm: float = Field(ge=0, le=1e6, description="Largest norm of the gradient; 0: no clipping.")
    early_stopping: EarlyStoppingParams | None = Field(description="When to stop before the last epoch; null: never.")
    checkpoint_every_steps: int = Field(
        ge=1, le=10**6, description="Steps between two checkpoints that a killed training resumes from."
    )


class QuantizationParams(Section):
    """Static int8 quantization of the exported graph."""

    calibration: Literal["min_max", "entropy", "percentile"] = Field(
        description="How the range of each activation is found."
    )
    calibration_samples: int = Field(ge=16, le=100_000, description="Training samples that the ranges are found on.")


class CompressParams(Section):
    """Export, quantization, and the budget by which one of the models is chosen."""

    quantization: QuantizationParams
    max_accuracy_drop: Share = Field(
        description="Validation accuracy that the compressed model may lose, as a share (0.005: half a point)."
    )
    max_latency_ratio: float = Field(
        gt=0, le=100, description="Its median latency for one sample over that of the fp32 model, at most."
    )
    max_parity_difference: float = Field(
        gt=0,
        le=1,
        description="Largest difference of any probability between the exported fp32 graph and the trained network.",
    )
    latency_repeats: int = Field(
        ge=10, le=100_000, description="Timed inferences of each model and batch size, interleaved."
    )


class EvaluateParams(Section):
    """What the model is measured against and shown with."""

    baseline: Literal["majority", "nearest_centroid", "logistic_regression"] = Field(
        description="The simple model that it must beat, fitted on the training split."
    )
    calibration_bins: int = Field(ge=2, le=100, description="Bins of the calibration error (ECE).")
    worst_mistakes: int = Field(ge=1, le=100, description="Most confident mistakes shown in the report.")
    golden_samples: int = Field(
        ge=1,
        le=256,
        description="Validation samples whose answers travel with the model and are checked before it serves.",
    )


class GateParams(Section):
    """When a challenger may replace the champion."""

    significance: float = Field(
        gt=0,
        lt=0.5,
        description="Level of the paired test: a challenger that is worse at this level is refused.",
    )
    max_accuracy_drop: Share = Field(
        description="Accuracy that it may lose against the champion on the same samples, as a share."
    )
    max_class_recall_drop: Share = Field(description="Recall that it may lose in any one class, as a share.")
    min_gain_over_baseline: float = Field(ge=-1, le=1, description="Accuracy above the named baseline, at least.")
    max_latency_ratio: float = Field(
        gt=0, le=1000, description="Its median latency for one sample over the champion's, at most."
    )
    max_bytes: int = Field(ge=1, le=2**40, description="Size of its ONNX graph, at most, in bytes.")


class Params(Section):
    """The whole of params.yaml."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
        description="Name of the registered model: lower case letters, digits, '.', '_', '-'.",
    )
    task: Literal["image_classification"] = Field(description="What is predicted from what.")
    seed: int = Field(ge=0, le=2**31 - 1, description="Seed of everything random.")
    fetch: FetchParams
    ingest: IngestParams
    validate_: ValidateParams = Field(alias="validate")
    prepare: PrepareParams
    augment: AugmentParams
    train: TrainParams
    compress: CompressParams
    evaluate: EvaluateParams
    gate: GateParams

    @model_validator(mode="after")
    def _image_fits_network(self) -> Self:
        source, network = self.ingest.source, self.train.network
        side = min(source.height, source.width)
        if isinstance(network, CnnParams) and network.last_side(side) < 1:
            raise ValueError(
                f"train.network: {len(network.filters)} convolutions with pooling between them leave nothing of an "
                f"image of {source.height} × {source.width} pixels. Raise ingest.source.height and width, or take "
                "fewer filters."
            )
        return self
