"""The log of a worker: lines for a person, or a JSON object a line for a collector."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

FIELDS = ("request_id", "route", "status", "seconds", "version")
"""What a record may say besides its sentence."""
TEXT = "%(asctime)s %(levelname)s [%(process)d] %(message)s"


class JsonLines(logging.Formatter):
    """A JSON object a record, with its request where it has one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


def begin_logging(form: Literal["text", "json"]) -> None:
    """Sends what this program says to stderr, and nowhere else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(TEXT))
    logger = logging.getLogger("tunesmith")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
