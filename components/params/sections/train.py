"""The section ``train``: the network, what it minimises, and how."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.params.sections.averaging import AveragingParams
from components.params.sections.initialisation import InitialisationParams
from components.params.sections.loss import ClassificationLoss, LossParams, RegressionLoss, RegularisationParams
from components.params.sections.network import ImageNetwork, NetworkParams, PretrainedParams, RowNetwork, TextNetwork
from components.params.sections.optimizer import OptimizerParams
from components.params.sections.schedule import ScheduleParams, WarmupParams
from components.params.sections.section import Section


class GradientClipParams(Section):
    """How large a gradient may be; not both rules at once."""

    norm: float = Field(ge=0, le=1e6, description="Largest norm of the whole gradient; 0: no such rule.")
    value: float = Field(ge=0, le=1e6, description="Largest absolute value of each entry; 0: no such rule.")

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.norm and self.value:
            raise ValueError("clip by norm or by value, not by both: set one of them to 0")
        return self


class EarlyStoppingParams(Section):
    """Stops when the validation score (accuracy, R²) no longer rises; the best weights are those that are kept."""

    patience: int = Field(ge=1, le=1000, description="Epochs without a gain after which training stops.")
    min_delta: float = Field(ge=0, le=1, description="Smallest rise of the validation score that counts as a gain.")


class TrainParams(Section):
    """The network, what it minimises, and how."""

    network: NetworkParams
    initialisation: InitialisationParams
    loss: LossParams
    regularisation: RegularisationParams
    optimizer: OptimizerParams
    schedule: ScheduleParams
    warmup: WarmupParams | None = Field(description="A rise of the learning rate before the schedule; null: none.")
    averaging: AveragingParams
    epochs: int = Field(ge=1, le=10_000, description="Passes over the training split, at most.")
    batch_size: Annotated[int, Field(ge=1, le=65_536)] | Literal["auto"] = Field(
        description="Samples of one step, on each device; auto: the largest power of two that memory holds."
    )
    accumulate_batches: int = Field(ge=1, le=4096, description="Batches whose gradients are summed to one step.")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field(
        description="Arithmetic of the forward and backward pass."
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(description="Kind of device; auto: a GPU where there is one.")
    devices: int = Field(ge=1, le=64, description="Devices of each machine.")
    strategy: Literal["auto", "ddp", "fsdp"] = Field(description="How several devices share the work.")
    gradient_clip: GradientClipParams
    early_stopping: EarlyStoppingParams | None = Field(description="When to stop before the last epoch; null: never.")
    checkpoint_every_steps: int = Field(
        ge=1, le=10**6, description="Steps between two checkpoints that a killed training resumes from."
    )

    @model_validator(mode="after")
    def _fits_in_the_epochs(self) -> Self:
        if self.warmup and self.warmup.epochs >= self.epochs:
            raise ValueError(
                f"the warmup of {self.warmup.epochs:g} epochs is not shorter than the training of {self.epochs}: "
                "shorten warmup.epochs, or raise epochs"
            )
        if isinstance(self.network, PretrainedParams) and self.network.frozen_epochs > self.epochs:
            raise ValueError(
                f"network.frozen_epochs is {self.network.frozen_epochs}, and there are {self.epochs} epochs: "
                "lower frozen_epochs, or raise epochs"
            )
        return self

    @model_validator(mode="after")
    def _can_be_sharded(self) -> Self:
        if self.strategy == "fsdp" and self.devices == 1:
            raise ValueError(
                "strategy fsdp spreads the weights over several devices, and devices is 1: raise devices, or set "
                "strategy to auto"
            )
        if self.strategy == "fsdp" and self.precision == "16-mixed":
            raise ValueError(
                "strategy fsdp does not go with precision 16-mixed, whose loss scaling Lightning has only for whole "
                "weights: set precision to bf16-mixed or 32-true, or strategy to ddp"
            )
        return self


class ImageClassificationTrainParams(TrainParams):
    """The network for images, what it minimises, and how."""

    network: ImageNetwork
    loss: ClassificationLoss


class TextClassificationTrainParams(TrainParams):
    """The network for texts, what it minimises, and how."""

    network: TextNetwork
    loss: ClassificationLoss


class RowRegressionTrainParams(TrainParams):
    """The network for rows, what it minimises, and how."""

    network: RowNetwork
    loss: RegressionLoss
