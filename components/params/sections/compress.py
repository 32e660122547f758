"""The section ``compress``: the variants that are made of the trained network, and which of them leaves the line."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from components.params.sections.section import Section, Share

FP32 = "fp32"
"""Name of the trained network itself, which every chain of techniques begins at."""


class Technique(Section):
    """One technique, applied to what another one has left."""

    of: str = Field(description="The variant that it starts from: fp32, or one that is named before it.")


class TrainingTechnique(Technique):
    """A technique that trains: by the section train, at its own length and learning rate."""

    epochs: int = Field(ge=1, le=10_000, description="Passes over the training split; of each round, if there are any.")
    learning_rate: float = Field(gt=0, le=10, description="Peak of the learning rate, in place of that of train.")


class MagnitudePruningParams(TrainingTechnique):
    """Unstructured: the smallest weights of all layers become zero, ever more of them (Zhu & Gupta 2017)."""

    name: Literal["magnitude_pruning"]
    initial_sparsity: float = Field(ge=0, lt=1, description="Share of zeros at the first step.")
    sparsity: float = Field(gt=0, lt=1, description="Share of zeros at the end of the ramp, and from there on.")
    ramp_share: float = Field(gt=0, le=1, description="Share of the steps in which the sparsity rises.")
    every_steps: int = Field(ge=1, le=100_000, description="Steps between two choices of what is zero.")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.initial_sparsity > self.sparsity:
            raise ValueError(
                f"initial_sparsity {self.initial_sparsity:g} is above sparsity {self.sparsity:g}: lower it, or raise "
                "the other"
            )
        return self


class ChannelPruningParams(TrainingTechnique):
    """Structured: whole channels and units go, with all that depends on them (Fang et al. 2023, arXiv:2301.12900)."""

    name: Literal["channel_pruning"]
    share: float = Field(gt=0, lt=1, description="Share of all channels that goes at least, the least important first.")
    rounds: int = Field(ge=1, le=100, description="Rounds of pruning and fine-tuning in which it goes.")
    multiple_of: int = Field(ge=1, le=64, description="What is left of each layer is rounded down to a multiple of it.")


class LowRankParams(TrainingTechnique):
    """Each dense layer as a product of two thinner ones, by singular value decomposition, where that is smaller."""

    name: Literal["low_rank"]
    energy: float = Field(gt=0, lt=1, description="Share of a layer's squared singular values that is kept.")


class QuantizationAwareParams(TrainingTechnique):
    """Trains with the rounding of int8 in every layer (Jacob et al. 2018); static_int8 of it is the int8 graph."""

    name: Literal["quantization_aware_training"]


class SameStudent(Section):
    """The variant that it starts from is itself taught."""

    kind: Literal["same"]


class ShrunkStudent(Section):
    """The train.network, narrower: as wide as so many times fewer weights allow."""

    kind: Literal["shrunk"]
    factor: float = Field(gt=1, le=10_000, description="Weights of the trained network over those of the student.")


class StatedStudent(Section):
    """A network of its own."""

    kind: Literal["network"]
    network: dict[str, JsonValue] = Field(description="A section as train.network; checked as that is.")


class DistillationParams(TrainingTechnique):
    """A student learns from the answers of the fp32 network (Hinton et al. 2015, arXiv:1503.02531)."""

    name: Literal["distillation"]
    student: Annotated[
        SameStudent | ShrunkStudent | StatedStudent, Field(discriminator="kind", description="Who is taught.")
    ]
    temperature: float = Field(
        gt=0, le=100, description="What both networks' outputs are divided by; unused for values."
    )
    label_share: Share = Field(description="Weight of the true labels' loss; the teacher's answers have the rest.")
    feature_weight: float = Field(
        ge=0,
        le=10_000,
        description="Weight of the difference of the features' similarities over a batch (Tung & Mori 2019, "
        "arXiv:1907.09682); 0: answers alone.",
    )


class DynamicInt8Params(Technique):
    """Weights in eight bits; the range of each activation is found while it answers."""

    name: Literal["dynamic_int8"]


class StaticInt8Params(Technique):
    """Weights and activations in eight bits, by ranges that are found on training samples."""

    name: Literal["static_int8"]
    calibration: Literal["min_max", "entropy", "percentile"] = Field(
        description="How the range of each activation is found."
    )
    calibration_samples: int = Field(ge=16, le=100_000, description="Training samples that the ranges are found on.")
    max_layer_shift: float | None = Field(
        gt=0,
        le=1,
        description="A layer whose quantization alone moves the answers by more stays in float: mean total "
        "variation of the probabilities, or mean difference of the values in deviations of the target; null: no scan.",
    )


class HalfWeightsParams(Technique):
    """Weights stored in sixteen bits, and computed with in thirty-two."""

    name: Literal["half_weights"]
    dtype: Literal["float16", "bfloat16"] = Field(description="float16: finer; bfloat16: the range of float32.")


TechniqueParams = Annotated[
    MagnitudePruningParams
    | ChannelPruningParams
    | LowRankParams
    | QuantizationAwareParams
    | DistillationParams
    | DynamicInt8Params
    | StaticInt8Params
    | HalfWeightsParams,
    Field(discriminator="name", description="What is done to the variant that it starts from."),
]
GRAPH_TECHNIQUES = (DynamicInt8Params, StaticInt8Params, HalfWeightsParams)
"""Techniques of the exported graph: what they leave is no network that could be trained or pruned."""
VariantName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class CompressBudgetParams(Section):
    """What a variant must keep to leave the line."""

    max_score_drop: Share = Field(
        description="Validation score (accuracy, R²) that it may lose against fp32 (0.005: half a point)."
    )
    max_class_drop: Share | None = Field(
        description="Validation recall that any class may lose; null: no such bound, and for values always."
    )
    max_bytes: int | None = Field(gt=0, description="Size of its file; null: no such bound.")
    max_latency_ratio: float = Field(
        gt=0, le=100, description="Its median latency for one sample over that of fp32, at most."
    )
    max_latency_ms: float | None = Field(
        gt=0, description="Its median latency for one sample on this machine, one thread; null: no such bound."
    )


class CompressParams(Section):
    """The variants of the trained network, and the budget by which one of them is chosen."""

    variants: dict[VariantName, TechniqueParams] = Field(
        description="Variants by name; each is a technique, and starts from fp32 or from another variant."
    )
    budget: CompressBudgetParams
    objective: Literal["bytes", "latency", "score"] = Field(
        description="What is best among the variants that keep the budget: smallest, fastest, or best score."
    )
    formats: Annotated[tuple[Literal["executorch", "litert"], ...], Field(strict=False, max_length=2)] = Field(
        description="Formats that the chosen network is written in besides ONNX."
    )
    max_parity_difference: float = Field(
        gt=0,
        le=1,
        description="Largest difference of any answer between an exported graph and its network: of a probability, or "
        "of a value as a share of the training target's deviation.",
    )
    latency_repeats: int = Field(
        ge=10, le=100_000, description="Timed inferences of each model and batch size, interleaved."
    )

    @model_validator(mode="after")
    def _chains_hold(self) -> Self:
        trained = {FP32}
        graphs: set[str] = set()
        for name, step in self.variants.items():
            if name == FP32:
                raise ValueError("fp32 is the trained network itself: give the variant another name")
            if step.of in graphs:
                raise ValueError(
                    f"variants.{name} starts from {step.of}, which is a graph in fewer bits and cannot be changed any "
                    "further: start from what that is made of"
                )
            if step.of not in trained:
                raise ValueError(
                    f"variants.{name} starts from '{step.of}', which is not named before it. Known there: "
                    f"{', '.join(sorted(trained))}"
                )
            (graphs if isinstance(step, GRAPH_TECHNIQUES) else trained).add(name)
        return self
