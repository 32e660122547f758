"""Where the stages leave what the next ones read, relative to the workspace."""

from pathlib import Path
from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

FETCHED = Path("data/fetched")
CHAMPION = Path("data/champion")
FEEDBACK = Path("data/feedback")
INGESTED = Path("data/ingested")
VALIDATED = Path("data/validated")
PREPARED = Path("data/prepared")
AUGMENTED = Path("data/augmented")
TRAINED = Path("models/train")
COMPRESSED = Path("models/compress")
EVALUATED = Path("models/evaluate")
PACKAGED = Path("models/package")
REPORTS = Path("reports")

CORRECTIONS = FEEDBACK / "corrections.parquet"
"""Of each sample that was corrected: ``request_id``, ``sample``, ``time``, ``version``, ``label`` or ``value``; and
what was asked: ``input``, pixels (height, width, channels) uint8 in C order, or ``original``, the text, or the row as
JSON."""
SAMPLES = INGESTED / "samples.parquet"
QUARANTINE = INGESTED / "quarantine.parquet"
INPUTS = INGESTED / "inputs.npy"
"""Of images: (samples, height, width, channels) uint8, in the order of the sample table."""
CONTENT = INGESTED / "content.parquet"
"""Of texts: one column ``text``. Of rows: the feature columns under their own names. In the table's order."""
TOKENIZER = "tokenizer.json"
"""File of the trained tokenizer: in ``data/prepared``, and in a package; of texts alone."""
