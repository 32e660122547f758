"""The table of samples: each with its id, in the split of its hash."""

import pandas as pd

from components.splits import ID_DIGITS, split_of

FIXED = ["id", "sha256", "label", "split", "source"]


def split_column(table: pd.DataFrame, test_share: float | None, validation_share: float) -> "pd.Series[str]":
    """The split of each candidate: the same for all that have the same content.

    Args:
        table: as of :class:`components.ingest.candidates.Candidates`.
        test_share: share of the content hashes that is kept for test; None: the source has a test split of its own.
        validation_share: share of the others that is kept for validation.
    """
    drawn = [split_of(sha256, test_share, validation_share) for sha256 in table["sha256"]]
    return pd.Series(drawn, index=table.index, dtype="str").mask(table["own_test"], "test")


def sample_table(kept: pd.DataFrame) -> pd.DataFrame:
    """The table of samples.

    Args:
        kept: what was not set aside: the table of the candidates with the column ``split``.

    Returns:
        The columns :data:`FIXED`, then details and summaries.
    """
    table = kept.assign(id=sample_ids(kept["sha256"])).drop(columns=["own_test", "corrected"])
    return table[[*FIXED, *table.columns.difference(FIXED, sort=False)]].reset_index(drop=True)


def sample_ids(sha256: "pd.Series[str]") -> "pd.Series[str]":
    """The first digits of each hash; where several samples share them, numbered from the second on: ``…-1``."""
    digits = sha256.str[:ID_DIGITS]
    repetition = digits.groupby(digits).cumcount()
    return digits.where(repetition == 0, digits + "-" + repetition.astype(str))
