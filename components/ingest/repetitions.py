"""What cannot be a sample because of other candidates: nothing twice, nothing under two labels, no leak into test."""

import pandas as pd

from components.ingest.candidates import Candidates, Refused

NOUNS = {"images": "picture", "texts": "text", "rows": "row"}


def repetitions(candidates: Candidates) -> pd.DataFrame:
    """The candidates that must be set aside.

    What belongs to a test split of the source's own is never set aside. Where labels are classes:

    - ``corrected``: a person has said later what the same content is.
    - ``conflict``: the same content is also found under another label; all of them are set aside.
    - ``duplicate``: the same content is found in the source's own test split, or earlier.

    Where labels are values, the same features may well have several:

    - ``duplicate``: the same features with the same value are found earlier, or the same features, whatever their
      value, in the source's own test split.

    Returns:
        Rows as of :class:`components.ingest.candidates.Refused`, with the index that they have in the table.
    """
    if candidates.labels is None:
        return _of_values(candidates.table)
    return _of_classes(candidates.table, NOUNS[candidates.kind.kind])


def _of_classes(table: pd.DataFrame, noun: str) -> pd.DataFrame:
    corrected = _corrected(table)
    rest = _of_contents(table.drop(index=corrected.index), noun)
    return pd.concat([corrected, rest])


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """All of a content that was corrected but the last correction; the corrections stand in the order of time."""
    last = table[table["corrected"]].drop_duplicates("sha256", keep="last").set_index("sha256")["source"]
    by = table["sha256"].map(last)
    older = by.notna() & (by != table["source"]) & ~table["own_test"]
    return _refused(table, "corrected", "a person has said in " + by[older].astype(str))


def _of_contents(table: pd.DataFrame, noun: str) -> pd.DataFrame:
    first = _first_source(table, ["sha256"])
    several_labels = table.groupby("sha256")["label"].transform("nunique") > 1
    conflict = several_labels & ~table["own_test"]
    duplicate = (first != table["source"]) & ~several_labels & ~table["own_test"]
    found_as = table.loc[conflict, "sha256"].map(_found_as(table[several_labels])).astype(str)
    return pd.concat(
        [
            _refused(table, "conflict", f"the same {noun} is found as " + found_as),
            _refused(table, "duplicate", f"the same {noun} as " + first[duplicate]),
        ]
    )


def _found_as(table: pd.DataFrame) -> "pd.Series[str]":
    """For each sha256 the labels that it is found under, each with one source."""
    named = table.drop_duplicates(["sha256", "label"])
    return (named["label"] + " (" + named["source"] + ")").groupby(named["sha256"]).agg(", ".join)


def _of_values(table: pd.DataFrame) -> pd.DataFrame:
    first = _first_source(table, ["sha256", "label"])
    repeated = (first != table["source"]) & ~table["own_test"]
    tested = table[table["own_test"]].drop_duplicates("sha256").set_index("sha256")["source"]
    in_test = table["sha256"].isin(tested.index) & ~repeated & ~table["own_test"]
    twin = table.loc[in_test, "sha256"].map(tested).astype(str)
    return pd.concat(
        [
            _refused(table, "duplicate", "the same row as " + first[repeated]),
            _refused(table, "duplicate", "the same features as " + twin + ", a row of the test split"),
        ]
    )


def _first_source(table: pd.DataFrame, same: list[str]) -> "pd.Series[str]":
    """For each row the first source where the same is found; those of a test split stand before all others."""
    own_test_first = table.sort_values("own_test", ascending=False, kind="stable")
    return own_test_first.groupby(same)["source"].transform("first").loc[table.index]


def _refused(table: pd.DataFrame, reason: str, details: "pd.Series[str]") -> pd.DataFrame:
    rows = pd.DataFrame({"source": table.loc[details.index, "source"], "reason": reason, "detail": details})
    return rows[list(Refused._fields)]
