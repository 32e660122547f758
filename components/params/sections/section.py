"""What all sections of params.yaml have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(strict=False, min_length=1, max_length=8)]


class Section(BaseModel):
    """A part of params.yaml: complete, bounded, and closed to unknown keys.

    No field has a default: a default in Python is an input that DVC does not see.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names themselves.

    Raises:
        ValueError: one of them occurs twice.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"each name must occur once; repeated: {', '.join(repeated)}")
    return names
