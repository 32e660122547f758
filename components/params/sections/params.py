"""The whole of params.yaml: one class a task, which says what each section of it may hold."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from components.params.sections.augment import ImageAugmentParams, RowAugmentParams, TextAugmentParams
from components.params.sections.checkpoint import require_fetched
from components.params.sections.compress import (
    FP32,
    ChannelPruningParams,
    CompressParams,
    DistillationParams,
    SameStudent,
    ShrunkStudent,
    StatedStudent,
)
from components.params.sections.evaluate import (
    EvaluateParams,
    ImageEvaluateParams,
    RowEvaluateParams,
    TextEvaluateParams,
)
from components.params.sections.fetch import FetchParams
from components.params.sections.gate import ClassificationGateParams, GateParams
from components.params.sections.ingest import ImageIngestParams, IngestParams, RowIngestParams, TextIngestParams
from components.params.sections.network import (
    CnnParams,
    EfficientNetLite0Params,
    NetworkParams,
    PretrainedParams,
    RecurrentParams,
)
from components.params.sections.prepare import (
    CheckpointTokenizerParams,
    ImagePrepareParams,
    RowPrepareParams,
    TextPrepareParams,
)
from components.params.sections.section import Section
from components.params.sections.sweep import SweepParams
from components.params.sections.train import (
    ImageClassificationTrainParams,
    RowRegressionTrainParams,
    TextClassificationTrainParams,
    TrainParams,
)
from components.params.sections.validate import ClassificationValidateParams, RegressionValidateParams, ValidateParams


class CommonParams(Section):
    """What every task has."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
        description="Name of the registered model: lower case letters, digits, '.', '_', '-'.",
    )
    task: str = Field(description="What is predicted from what.")
    seed: int = Field(ge=0, le=2**31 - 1, description="Seed of everything random.")
    fetch: FetchParams
    ingest: IngestParams
    validate_: ValidateParams = Field(alias="validate")
    prepare: Section
    augment: Section
    train: TrainParams
    compress: CompressParams
    evaluate: EvaluateParams
    gate: GateParams
    sweep: SweepParams | None = Field(description="What `tunesmith sweep` may vary; null: there is nothing to search.")

    @model_validator(mode="after")
    def _checkpoint_is_fetched(self) -> Self:
        if isinstance(self.train.network, PretrainedParams):
            require_fetched("train.network.checkpoint", self.train.network.checkpoint, self.fetch.weights)
        return self

    @model_validator(mode="after")
    def _techniques_fit_networks(self) -> Self:
        networks = {FP32: self.train.network}
        for name, technique in self.compress.variants.items():
            network = networks[technique.of]
            if isinstance(technique, ChannelPruningParams) and isinstance(network, RecurrentParams):
                raise ValueError(  # noqa: TRY004  a fault of the file, which pydantic collects
                    f"compress.variants.{name}: the state of a recurrent network ({network.name}) has no channels that "
                    "could go. Take magnitude_pruning or low_rank, or distil a narrower student."
                )
            if isinstance(technique, DistillationParams):
                network = self._student(name, technique, network)
            networks[name] = network
        return self

    def _student(self, variant: str, technique: DistillationParams, network: NetworkParams) -> NetworkParams:
        match technique.student:
            case StatedStudent():
                return self.stated_student(variant, technique.student)
            case ShrunkStudent() if isinstance(self.train.network, PretrainedParams | EfficientNetLite0Params):
                raise ValueError(
                    f"compress.variants.{variant}.student: {self.train.network.name} has one size. "
                    "State a network: {kind: network, network: {…}}."
                )
            case ShrunkStudent():
                return self.train.network
            case SameStudent():
                return network

    def stated_student(self, variant: str, student: StatedStudent) -> NetworkParams:
        """The network of a student that is stated, as train.network would be.

        Raises:
            ValueError: train.network would not take it.
        """
        try:
            given = self.train.model_dump(mode="json") | {"network": student.network}
            return type(self.train).model_validate(given).network
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, ("compress.variants", variant, "student", *fault["loc"])))
            raise ValueError(f"{place}: {fault['msg'].removeprefix('Value error, ')}, as in train.network.") from None


class ImageClassificationParams(CommonParams):
    """One of several classes for an image."""

    task: Literal["image_classification"] = Field(description="What is predicted from what.")
    ingest: ImageIngestParams
    validate_: ClassificationValidateParams = Field(alias="validate")
    prepare: ImagePrepareParams
    augment: ImageAugmentParams
    train: ImageClassificationTrainParams
    evaluate: ImageEvaluateParams
    gate: ClassificationGateParams

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


class TextClassificationParams(CommonParams):
    """One of several classes for a text."""

    task: Literal["text_classification"] = Field(description="What is predicted from what.")
    ingest: TextIngestParams
    validate_: ClassificationValidateParams = Field(alias="validate")
    prepare: TextPrepareParams
    augment: TextAugmentParams
    train: TextClassificationTrainParams
    evaluate: TextEvaluateParams
    gate: ClassificationGateParams

    @model_validator(mode="after")
    def _tokens_fit_network(self) -> Self:
        tokenizer, network = self.prepare.tokenizer, self.train.network
        known = tokenizer.checkpoint if isinstance(tokenizer, CheckpointTokenizerParams) else None
        if known is not None:
            require_fetched("prepare.tokenizer.checkpoint", known, self.fetch.weights)
        if isinstance(network, PretrainedParams) and known != network.checkpoint:
            raise ValueError(
                f"prepare.tokenizer: {network.checkpoint} of train.network understands the tokens of its own tokenizer "
                f"alone. Set prepare.tokenizer: {{name: checkpoint, checkpoint: {network.checkpoint}}}."
            )
        return self


class TabularRegressionParams(CommonParams):
    """A number for a row of a table."""

    task: Literal["tabular_regression"] = Field(description="What is predicted from what.")
    ingest: RowIngestParams
    validate_: RegressionValidateParams = Field(alias="validate")
    prepare: RowPrepareParams
    augment: RowAugmentParams
    train: RowRegressionTrainParams
    evaluate: RowEvaluateParams
    gate: GateParams

    @model_validator(mode="after")
    def _values_have_no_classes(self) -> Self:
        if self.compress.budget.max_class_drop is not None:
            raise ValueError("compress.budget.max_class_drop: values have no classes. Set it to null.")
        return self


TASKS = (ImageClassificationParams, TextClassificationParams, TabularRegressionParams)
Params = ImageClassificationParams | TextClassificationParams | TabularRegressionParams
AnyParams = Annotated[Params, Field(discriminator="task", description="What is predicted from what.")]
