"""CSV and Parquet files as ingest reads them, and what it makes of their cells."""

import csv
import io
import math
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import DataError
from components.ingest.candidates import Refused
from components.ingest.tables import csv_file
from components.ingest.tables.cells import CellRefused, category_of, number_of, text_of
from components.ingest.tables.columns import Cell, Expected, Row
from components.ingest.tables.table_file import read_table, table_files
from components.params.sections import TextTableSource

COLUMNS: dict[str, Expected] = {"text": "text", "label": "category"}


def source(path: Path, train: str = "train.csv", test: str | None = None) -> TextTableSource:
    return TextTableSource(
        kind="text_table",
        path=str(path),
        train=train,
        test=test,
        text="text",
        label="label",
        min_characters=1,
        max_characters=1000,
    )


def read_csv(folder: Path, content: bytes, columns: dict[str, Expected] = COLUMNS) -> list[Row | Refused]:
    (folder / "train.csv").write_bytes(content)
    return list(read_table(folder / "train.csv", columns))


def read_parquet(folder: Path, columns: dict[str, pa.Array], wanted: dict[str, Expected]) -> list[Row | Refused]:
    pq.write_table(pa.table(columns), folder / "train.parquet")
    return list(read_table(folder / "train.parquet", wanted))


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(DataError) as error:
        read_csv(folder, content)
    return str(error.value)


def test_rows_are_numbered_by_the_line_where_they_begin(tmp_path: Path) -> None:
    content = b'label,id,text\nham,1,one\n\nspam,2,"two\n""lines"", and a comma"\r\n\r\nham,3,\n'
    assert read_csv(tmp_path, content) == [
        Row("train.csv#0000002", ("one", "ham")),
        Row("train.csv#0000004", ('two\n"lines", and a comma', "spam")),
        Row("train.csv#0000007", ("", "ham")),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_end_of_line_and_a_byte_order_mark(tmp_path: Path, end: bytes) -> None:
    assert read_csv(tmp_path, b"\xef\xbb\xbftext,label" + end + b"one,ham") == [
        Row("train.csv#0000002", ("one", "ham"))
    ]


def test_what_is_no_row_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    content = b'text,label\n1,2,\xff\nx\n"no" quote,ham\n"open,ham\n"over" two,ham\ngood,ham\n'
    assert read_csv(tmp_path, content) == [
        Refused("train.csv#0000002", "broken", "it has 3 fields, and the header 2"),
        Refused("train.csv#0000003", "broken", "it has 1 fields, and the header 2"),
        Refused("train.csv#0000004", "broken", "it is no CSV: ',' expected after '\"'"),
        Refused("train.csv#0000005", "broken", "it is no CSV: ',' expected after '\"'"),
        Row("train.csv#0000007", ("good", "ham")),
    ]


def test_a_quote_that_is_never_closed_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b'text,label\nfine,ham\n"open,ham\n' + b"more,ham\n" * 50
    assert "train.csv: the row that begins in line 3 does not end before the file does" in refusal(tmp_path, content)
    monkeypatch.setattr(csv_file, "LONGEST_ROW", 100)
    assert "the row that begins in line 3 does not end within 100 characters" in refusal(tmp_path, content)
    assert "the row that begins in line 2" in refusal(tmp_path, b"text,label\n" + b"x" * 200)
    assert len(read_csv(tmp_path, b"text,label\n" + b"more,ham\n" * 50)) == 50


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"texts,labels\na,b\n", "has no column 'text'; its columns: texts, labels. Did you mean 'texts'?"),
        (b"text;label\na;b\n", "has no column 'text'; its columns: text;label."),
        (b"text,Label\na,b\n", "has no column 'label'; its columns: text, Label. Did you mean 'Label'?"),
        (b"text,label,text\n", "has 2 columns named 'text'"),
        (b"\n\n", "has no column 'text'; its columns: ."),
        (b"\xff\x1b[31m,label\n", "its columns: \\udcff\\x1b[31m, label."),
        ("text,label\na,b\n".encode("utf-16"), "is no UTF-8 text: there are NUL bytes in its first line"),
        (b'"text"s,label\n', "its first line is no header of a CSV file"),
        (b",".join(b"c%d" % number for number in range(100)), "c38, c39 and 60 more."),
    ],
)
def test_headers_that_cannot_be_used_are_told(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in refusal(tmp_path, content)


def test_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "outside.csv").write_text("text,label\n")
    (folder / "train.csv").write_text("text,label\n")
    (folder / "empty.csv").touch()
    (folder / "link.csv").symlink_to(tmp_path / "outside.csv")
    (folder / "notes.txt").write_text("hello")
    (folder / "folder.csv").mkdir()
    for name, told in {
        "trian.csv": "holds no file trian.csv; its tables: empty.csv, link.csv, train.csv. "
        "Did you mean 'train.csv'? Put it there",
        "empty.csv": "data/empty.csv is empty",
        "../outside.csv": "leads out of",
        str(tmp_path / "outside.csv"): "leads out of",
        "link.csv": "leads out of",
        "notes.txt": "must be .csv or .parquet",
        "folder.csv": "holds no file folder.csv",
    }.items():
        with pytest.raises(DataError) as error:
            list(table_files(source(folder, train=name)))
        assert told in str(error.value)
    (folder / "TEST.CSV").write_text("text,label\n")
    files = list(table_files(source(folder, test="TEST.CSV")))
    assert files == [(folder / "TEST.CSV", True), (folder / "train.csv", False)]


def test_parquet_gives_the_cells_that_csv_gives(tmp_path: Path) -> None:
    texts, labels = ["one", 'two "lines"\n', None, "é"], ["ham", "spam", "ham", "ham"]
    written = io.StringIO(newline="")
    csv.writer(written).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    plain = read_csv(tmp_path, written.getvalue().encode())
    packed = read_parquet(
        tmp_path, {"text": pa.array(texts), "more": pa.array([1.0] * 4), "label": pa.array(labels)}, COLUMNS
    )
    assert [row.source for row in packed] == [f"train.parquet#{number:07}" for number in range(4)]
    assert [text_of(cell, "text") for _, (cell, _) in packed] == [text_of(cell, "text") for _, (cell, _) in plain]
    assert [cells[1] for _, cells in packed] == labels


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_kind_of_text_in_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    rows = read_parquet(tmp_path, {"text": pa.array(["é", None, "b"]).cast(kind)}, {"text": "text"})
    assert [cells for _, cells in rows] == [("é",), (None,), ("b",)]


def test_parquet_texts_that_are_no_utf8_are_kept_as_they_are(tmp_path: Path) -> None:
    lying = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a\xff", b"\xed\xa0\x80", b"ok"]).buffers())
    rows = read_parquet(tmp_path, {"text": lying}, {"text": "text"})
    assert [cells for _, cells in rows] == [("a\udcff",), ("\udced\udca0\udc80",), ("ok",)]


@pytest.mark.parametrize(
    ("kind", "values", "cells"),
    [
        (pa.int8(), [1, None], [1.0, None]),
        (pa.float32(), [0.5, math.nan], [0.5, None]),
        (pa.bool_(), [True, False], [1.0, 0.0]),
        (pa.decimal128(5, 2), [Decimal("1.25"), None], [1.25, None]),
        (pa.string(), ["1e3", "NA"], [1000.0, None]),
    ],
)
def test_every_kind_of_number_in_parquet(
    tmp_path: Path, kind: pa.DataType, values: list[object], cells: list[float | None]
) -> None:
    rows = read_parquet(tmp_path, {"x": pa.array(values, kind)}, {"x": "number"})

    def number(cell: Cell) -> float | None:
        try:
            return number_of(cell, "x")
        except CellRefused as fault:
            assert fault.reason == "missing"
            return None

    assert [number(row.cells[0]) for row in rows if isinstance(row, Row)] == cells


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int64(), "text"),
        (pa.float64(), "category"),
        (pa.timestamp("ms"), "number"),
        (pa.list_(pa.field("element", pa.string())), "text"),
        (pa.struct([("a", pa.int64())]), "number"),
    ],
)
def test_a_parquet_of_another_type_is_told(tmp_path: Path, kind: pa.DataType, expected: Expected) -> None:
    with pytest.raises(DataError) as error:
        read_parquet(tmp_path, {"x": pa.array([None], kind)}, {"x": expected})
    assert f"column 'x' is of type {kind}, which cannot be a {expected}" in str(error.value)


def test_a_parquet_file_that_is_none_or_damaged_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(b"PAR1 is how it begins")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(read_table(path, COLUMNS))
    pq.write_table(pa.table({"text": ["x" * 1000] * 1000, "label": ["a"] * 1000}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[20:60] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(read_table(path, COLUMNS))
    with pytest.raises(DataError, match=r"no column 'text'; its columns: txt\. Did you mean 'txt'\?"):
        read_parquet(tmp_path, {"txt": pa.array(["a"])}, COLUMNS)


def test_a_large_file_is_read_with_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    with path.open("w") as file:
        file.write("text,label\n")
        file.writelines(f'"{number} {"long " * 200}",ham\n' for number in range(20_000))
    pq.write_table(pa.table({"text": ["long " * 200] * 50_000, "label": ["a"] * 50_000}), tmp_path / "train.parquet")
    for name, rows in (("train.csv", 20_000), ("train.parquet", 50_000)):
        tracemalloc.start()
        assert sum(1 for _ in read_table(tmp_path / name, COLUMNS)) == rows
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 12e6, "a piece at a time, not the 20 or 50 MB that there are"


HOSTILE = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r", b"\xff", b"\xc3", b"\xa9", b"\0", b"a", b"1", b" ", b'""', b'",'])
).map(b"".join)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=HOSTILE | st.binary(max_size=60))
def test_any_bytes_give_rows_in_order_or_a_sentence(body: bytes, tmp_path: Path) -> None:
    try:
        rows = read_csv(tmp_path, b"text,label\n" + body)
    except DataError as error:
        assert "a quote is opened there and never closed" in str(error)
    else:
        assert [row.source for row in rows] == sorted({row.source for row in rows})
        assert all(len(row.cells) == 2 for row in rows if isinstance(row, Row))
        if b'"' not in body:
            lines = [line for line in body.replace(b"\r", b"\n").split(b"\n") if line]
            assert len(rows) == len(lines)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cells=st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_what_is_written_is_what_is_read(cells: list[tuple[str, str]], tmp_path: Path) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *cells])
    assert [row.cells for row in read_csv(tmp_path, written.getvalue().encode()) if isinstance(row, Row)] == cells


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("caf\udce9 au lait", "t: its bytes are no UTF-8 at character 4: 'caf\\udce9 au lait'"),
        ("a\0b", "t: it holds a NUL at character 2: 'a\\x00b'"),
        ("a\ufffd", "t: it holds the sign for a letter that was lost (U+FFFD) at character 2: 'a\ufffd'"),
        ("It was a long café".encode().decode("latin-1"), "t: it is UTF-8 that was once read in another encoding"),
        ("it’s".encode().decode("cp1252"), "once read in another encoding at character 3"),
        ("a\u00a0b".encode().decode("cp1252"), "once read in another encoding"),
        ("\ufeffa".encode().decode("cp1252"), "once read in another encoding at character 1"),
        ("\ufffd".encode().decode("cp1252"), "once read in another encoding"),
    ],
)
def test_texts_of_a_broken_encoding(cell: str, told: str) -> None:
    with pytest.raises(CellRefused) as error:
        text_of(cell, "t")
    assert error.value.reason == "encoding"
    assert told in error.value.detail
    assert error.value.detail.isprintable()


@pytest.mark.parametrize(
    "text",
    ["„Spaß“", "« À Évian »", "NÃO É", "café…", "naïve", "Ünïcödé", "10 € – 20 £", "Â la carte", "日本語", "\t\n"],
)
def test_texts_of_many_languages_are_no_fault(text: str) -> None:
    assert text_of(text, "t") == text


def test_names_of_categories() -> None:
    assert category_of("  Cafe\u0301 ", "c") == "Café"
    assert [category_of(cell, "c") for cell in (7, True, "None", "NA")] == ["7", "True", "None", "NA"]
    assert category_of(" " * 300 + "e\u0301" * 200, "c") == "é" * 200, "of the name itself, not of how it is written"
    for cell, reason, told in (
        (None, "missing", "c is empty"),
        ("  ", "missing", "c is empty"),
        ("a\x1b[31mb", "type", "c is 'a\\x1b[31mb'; a name has at most 200 printable characters"),
        ("x" * 201, "type", f"c is '{'x' * 60}…'; a name has at most 200"),
        ("a\udcff", "encoding", "c: its bytes are no UTF-8"),
    ):
        with pytest.raises(CellRefused) as error:
            category_of(cell, "c")
        assert (error.value.reason, told in error.value.detail) == (reason, True)


def test_numbers() -> None:
    assert [number_of(cell, "n") for cell in (" 1.5 ", "-2e-3", "+.5", "7.", 3, Decimal("0.1"), "0.1")] == [
        1.5,
        -0.002,
        0.5,
        7,
        3,
        0.1,
        0.1,
    ]
    for cell in ("", " ", None, "NA", "n/a", "NaN", "null", "None", math.nan):
        with pytest.raises(CellRefused) as error:
            number_of(cell, "n")
        assert error.value.reason == "missing"
    for cell, told in {
        "1,5": "n is '1,5', which is no number",
        "1_000": "which is no number",
        "١٢": "which is no number",
        "0x10": "which is no number",
        "12 cm": "which is no number",
        "\udcff\x1b": "n is '\\udcff\\x1b', which is no number",
        "inf": "n is 'inf', which is infinite in 32 bits",
        "-Infinity": "infinite in 32 bits",
        "1e39": "infinite in 32 bits",
        "1e999": "infinite in 32 bits",
    }.items():
        with pytest.raises(CellRefused) as error:
            number_of(cell, "n")
        assert (error.value.reason, told in error.value.detail) == ("type", True)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_is_read_exactly(number: float) -> None:
    assert number_of(repr(number), "n") == number


@given(st.text())
def test_any_cell_is_a_number_or_told(cell: str) -> None:
    try:
        assert math.isfinite(number_of(cell, "n"))
    except CellRefused as fault:
        assert fault.reason in ("missing", "type")
        assert fault.detail.isprintable()
