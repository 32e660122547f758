"""Texts with their labels, from CSV or Parquet.

Whether a text is refused depends on that text alone, and so it is wherever it stands; what depends on other texts
(:mod:`components.ingest.repetitions`) spares a test split of the source's own.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from components.contracts import IngestedTexts
from components.errors import DataError
from components.ingest.candidates import Candidate, Candidates, Refused, gather
from components.ingest.corrections import Correction, unknown_classes
from components.ingest.tables.cells import CellRefused, category_of, text_of
from components.ingest.tables.columns import Row
from components.ingest.tables.table_file import read_table, table_files
from components.ingest.text_content import TextContent, TextWriter, text_writer
from components.params.sections import TextTableSource
from components.splits import text_sha256

SUMMARIES = ("characters", "words")
MOST_LABELS = 1000
"""A column of more is none of labels."""


def read_texts(source: TextTableSource, scratch: Path, corrections: Sequence[Correction]) -> Candidates:
    """Reads every row of the test file, if there is one, then of the train file.

    Texts are kept as they are, in Unicode's form NFC. Memory holds their hashes, labels and lengths.

    Args:
        source: the section ``ingest.source``.
        scratch: a folder for the texts.
        corrections: that belong to it.

    Raises:
        DataError: a file is missing or damaged, or the column of the label gives one label, or very many.
    """
    path = scratch / "candidates.parquet"
    with text_writer(path) as writer:
        table, refused = gather(_items(source, writer, corrections), SUMMARIES)
    labels = tuple(sorted(table.loc[~table["corrected"], "label"].unique()))
    if not 2 <= len(labels) <= MOST_LABELS:
        raise DataError(
            f"{source.path}: column '{source.label}' gives {len(labels)} different labels to the {len(table)} texts "
            f"that can be used ({len(refused)} cannot); there must be 2 to {MOST_LABELS}. "
            "Name the column of the label in ingest.source.label."
        )
    strange = table["corrected"] & ~table["label"].isin(labels)
    return Candidates(
        kind=IngestedTexts(),
        labels=labels,
        label_name=source.label,
        summaries=SUMMARIES,
        table=table[~strange],
        refused=pd.concat([refused, unknown_classes(table[strange])], ignore_index=True),
        content=TextContent(path),
        own_test_split=source.test is not None,
    )


def _items(
    source: TextTableSource, writer: TextWriter, corrections: Sequence[Correction]
) -> Iterator[Candidate | Refused]:
    for path, own_test in table_files(source):
        for row in read_table(path, {source.text: "text", source.label: "category"}):
            yield row if isinstance(row, Refused) else _item(row, own_test, source, writer)
    for each in corrections:
        item = _item(Row(each.source, (each.original, each.truth)), False, source, writer)
        yield item._replace(corrected=True) if isinstance(item, Candidate) else item


def _item(row: Row, own_test: bool, source: TextTableSource, writer: TextWriter) -> Candidate | Refused:
    """Looks at one row; the text of a candidate goes to the writer."""
    try:
        text, label = _text(row, source), _label(row, source)
    except CellRefused as fault:
        return Refused(row.source, fault.reason, fault.detail)
    lengths = float(len(text)), float(len(text.split()))
    return Candidate(writer.add(text), row.source, label, text_sha256(text), own_test, lengths)


def _text(row: Row, source: TextTableSource) -> str:
    text = text_of(row.cells[0], source.text)
    if not text or text.isspace():
        raise CellRefused("empty", f"{source.text} is empty")
    if len(text) < source.min_characters:
        raise CellRefused(
            "too_short", f"{len(text)} characters; ingest.source.min_characters is {source.min_characters}"
        )
    if len(text) > source.max_characters:
        raise CellRefused(
            "too_long", f"{len(text)} characters; ingest.source.max_characters is {source.max_characters}"
        )
    return unicodedata.normalize("NFC", text)


def _label(row: Row, source: TextTableSource) -> str:
    try:
        return category_of(row.cells[1], source.label)
    except CellRefused as fault:
        raise CellRefused("encoding" if fault.reason == "encoding" else "unlabelled", fault.detail) from None
