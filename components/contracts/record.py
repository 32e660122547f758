"""The type of every small JSON file that crosses a stage boundary."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from components.files import read_json, write_json


class Record(BaseModel):
    """A small JSON file that one stage writes and another reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the record.

        Raises:
            pydantic.ValidationError: the file is of another shape.
        """
        return cls.model_validate(read_json(path))

    def write(self, path: Path) -> None:
        """Writes the record, whole or not at all."""
        write_json(path, self.model_dump(mode="json"))
