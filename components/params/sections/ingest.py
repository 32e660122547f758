"""The section ``ingest``: where the samples come from, what is refused, and how they are split."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.params.sections.section import Section, distinct

Names = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(distinct)]


class ImageSource(Section):
    """What every source of images states: the size that all images are brought to, and what is too large to be read."""

    path: str = Field(min_length=1, description="Folder of the data, relative to the repository.")
    height: int = Field(ge=8, le=1024, description="Height that every image is resized to, in pixels.")
    width: int = Field(ge=8, le=1024, description="Width that every image is resized to, in pixels.")
    channels: Literal[1, 3] = Field(description="1: grey, 3: RGB; other modes are converted.")


class IdxSource(ImageSource):
    """A set in the IDX format: train-images, train-labels, t10k-images, t10k-labels, plain or gzipped."""

    kind: Literal["idx"]
    labels: Annotated[Names, Field(min_length=2)] = Field(
        description="Name of each class, in the order of the label numbers."
    )


class ImageFolderSource(ImageSource):
    """A folder with one folder of images a class."""

    kind: Literal["image_folder"]
    max_file_bytes: int = Field(ge=1024, le=2**31, description="Larger files go to quarantine, in bytes.")
    max_pixels: int = Field(
        ge=64, le=2**31, description="Larger images go to quarantine, in pixels; nothing above it is decoded."
    )


class TableSource(Section):
    """What every source of tables states: its files."""

    path: str = Field(min_length=1, description="Folder of the data, relative to the repository.")
    train: str = Field(min_length=1, description="CSV or Parquet file in that folder.")
    test: str | None = Field(
        description="File of a test split of the source's own; null: the split follows from the hash of each sample."
    )


class TextTableSource(TableSource):
    """Texts with their labels, one a row."""

    kind: Literal["text_table"]
    text: str = Field(min_length=1, description="Column of the text.")
    label: str = Field(min_length=1, description="Column of the label.")
    min_characters: int = Field(ge=1, le=10**6, description="Shorter texts go to quarantine, in characters.")
    max_characters: int = Field(ge=1, le=10**7, description="Longer texts go to quarantine, in characters.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError("min_characters must not be above max_characters")
        return self


class NumberTableSource(TableSource):
    """Rows of numbers and categories, with a number to be predicted."""

    kind: Literal["table"]
    target: str = Field(min_length=1, description="Column of the number that is predicted.")
    numeric: Names = Field(description="Feature columns that hold numbers.")
    categorical: Names = Field(description="Feature columns that hold categories.")
    missing: Literal["quarantine", "impute"] = Field(
        description="A row that lacks a number: quarantine, or impute the median of the training split. "
        "Rows without target or category always go to quarantine."
    )
    outlier_fences: float | None = Field(
        gt=0,
        le=1000,
        description="A row goes to quarantine where a number lies further outside the quartiles of its column than "
        "this many interquartile ranges (Tukey's fences; 3: far out); null: no such rule.",
    )

    @model_validator(mode="after")
    def _columns(self) -> Self:
        features = (*self.numeric, *self.categorical)
        if not features:
            raise ValueError("name at least one column in numeric or categorical")
        distinct((*features, self.target))
        return self


class IngestParams(Section):
    """Where the samples come from and how they are split."""

    source: ImageSource | TableSource
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


class ImageIngestParams(IngestParams):
    """Where the images come from and how they are split."""

    source: Annotated[
        IdxSource | ImageFolderSource,
        Field(discriminator="kind", description="Format and place of the data."),
    ]


class TextIngestParams(IngestParams):
    """Where the texts come from and how they are split."""

    source: TextTableSource


class RowIngestParams(IngestParams):
    """Where the rows come from and how they are split."""

    source: NumberTableSource
