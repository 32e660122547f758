"""Everything that tunesmith raises on purpose; each message is a sentence for the person who must act on it.

TunesmithError
├── ParamsError        params.yaml says something that cannot be run
├── SettingsError      a TUNESMITH_* variable says something that cannot be used
├── DataError          the data cannot be read, fetched or trusted
│   ├── ImageRefused       a file is no image that can be used; says why
│   ├── RowRefused         a row lacks a column, or holds a value that is none
│   └── ValidationFailed   an expectation about the data does not hold
├── LineageError       what something was made from changed meanwhile, or is not known
├── PackageError       a model package is damaged, incomplete or not signed by a trusted key
├── TrainingError      training cannot start on this machine, or came to nothing
│   └── TrainingDiverged   a loss or a score is no finite number any more
├── CompressionError   a variant cannot be made, or does not answer as what it was made from
├── RegistryError      the registry cannot be reached or does not hold what was asked for
│   └── PromotionRefused   a promotion that must not happen
├── GraphError         dvc.yaml, dvc.lock or the state that DVC keeps cannot be read
├── RemoteError        DVC's remote cannot be reached, or does not take or give what it should
├── WorkspaceBusy      somebody else is at work in this workspace
├── ServingError       a server that was started does not answer as it should
└── StageFailed        a stage of the line ended with an error
    └── StageCutOff        the registry did not do what it needs; that may pass
"""

from typing import Literal


class TunesmithError(Exception):
    """Base of every error that is meant for a person: shown without a traceback."""


class ParamsError(TunesmithError):
    """params.yaml cannot be run: holds every fault of the file, each with place, rule, value and next step."""


class SettingsError(TunesmithError):
    """An environment setting cannot be used."""


class DataError(TunesmithError):
    """Data cannot be read, fetched or trusted."""


class ImageRefused(DataError):
    """A file is no image that can be used.

    Attributes:
        reason: the kind of fault, as a word for tables.
    """

    def __init__(self, reason: Literal["not_an_image", "broken", "too_large"], sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RowRefused(DataError):
    """A row lacks a column, or holds something that is no value of it; names row, column and what was found."""


class ValidationFailed(DataError):
    """An expectation about the data does not hold; names expectation, column, rows and the file to look at."""


class LineageError(TunesmithError):
    """What something was made from changed while it was read, or cannot be told or had again."""


class PackageError(TunesmithError):
    """A model package is damaged, incomplete or not signed by a trusted key."""


class TrainingError(TunesmithError):
    """Training cannot start on this machine, or came to nothing."""


class TrainingDiverged(TrainingError):
    """A loss or a score is no finite number any more."""


class CompressionError(TunesmithError):
    """A variant of a model cannot be made, or does not answer as what it was made from."""


class RegistryError(TunesmithError):
    """The registry cannot be reached, or does not hold what was asked for."""


class PromotionRefused(RegistryError):
    """A promotion that must not happen: the gate said no, or somebody else was faster."""


class GraphError(TunesmithError):
    """dvc.yaml, dvc.lock or the state that DVC keeps cannot be read."""


class RemoteError(TunesmithError):
    """DVC's remote cannot be reached, or does not take or give what it should."""


class WorkspaceBusy(TunesmithError):
    """Somebody else is at work in this workspace: two runs would overwrite each other's outputs."""


class ServingError(TunesmithError):
    """A server that was started does not answer as it should."""


class StageFailed(TunesmithError):
    """A stage of the line ended with an error; the line stops there."""


class StageCutOff(StageFailed):
    """A stage ended because the registry did not do what was asked: nothing is wrong with the line, and it may pass."""
