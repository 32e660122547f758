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
from components.params.sections.monitor import MonitorParams
from components.params.sections.network import (
    CnnParams,
    EfficientNetLite0Params,
    NetworkParams,
    PretrainedParams,
    RecurrentParams,
    VitParams,
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
    monitor: MonitorParams
    sweep: SweepParams | None = Field(description="What `tunesmith sweep` may vary; null: there is nothing to search.")

    @model_validator(mode="after")
    def _network_fits(self) -> Self:
        self.require_network("train.network", self.train.network)
        return self

    def require_network(self, place: str, network: NetworkParams) -> None:
        """Refuses a network that does not go with the rest of the file.

        Args:
            place: of the network, dotted.
            network: ``train.network``, or that of a student.

        Raises:
            ValueError: its checkpoint is none that is fetched, or it does not take such inputs.
        """
        if isinstance(network, PretrainedParams):
            require_fetched(f"{place}.checkpoint", network.checkpoint, self.fetch.weights)

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
                stated = self.stated_student(variant, technique.student)
                self.require_network(f"compress.variants.{variant}.student.network", stated)
                return stated
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

    def require_network(self, place: str, network: NetworkParams) -> None:
        """Also: something must be left of an image behind all convolutions, and patches must fill it."""
        super().require_network(place, network)
        source = self.ingest.source
        if isinstance(network, CnnParams) and network.last_side(min(source.height, source.width)) < 1:
            raise ValueError(
                f"{place}: {len(network.filters)} convolutions with pooling between them leave nothing of an "
                f"image of {source.height} × {source.width} pixels. Raise ingest.source.height and width, or take "
                "fewer filters."
            )
        if isinstance(network, VitParams) and (source.height % network.patch or source.width % network.patch):
            raise ValueError(
                f"{place}.patch: {network.patch} does not divide an image of {source.height} × {source.width} pixels."
            )


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
    def _tokenizer_is_fetched(self) -> Self:
        if isinstance(self.prepare.tokenizer, CheckpointTokenizerParams):
            require_fetched("prepare.tokenizer.checkpoint", self.prepare.tokenizer.checkpoint, self.fetch.weights)
        return self

    def require_network(self, place: str, network: NetworkParams) -> None:
        """Also: a pretrained network understands the tokens of its own tokenizer alone."""
        super().require_network(place, network)
        tokenizer = self.prepare.tokenizer
        known = tokenizer.checkpoint if isinstance(tokenizer, CheckpointTokenizerParams) else None
        if isinstance(network, PretrainedParams) and known != network.checkpoint:
            raise ValueError(
                f"prepare.tokenizer: {network.checkpoint} of {place} understands the tokens of its own tokenizer "
                f"alone. Set prepare.tokenizer: {{name: checkpoint, checkpoint: {network.checkpoint}}}."
            )


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
