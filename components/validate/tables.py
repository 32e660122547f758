"""What the expectations are about: the samples, their classes or columns, and the data set as a whole, a table each."""

import numpy as np
import pandas as pd

from components.contracts import SPLITS, Ingested, IngestedImages, IngestedRows
from components.data_profile import FEATURE, category_columns


def sample_columns(ingested: Ingested) -> dict[str, str]:
    """The columns that the sample table must have, with their types."""
    fixed = {
        "id": "str",
        "sha256": "str",
        "label": "float64" if ingested.labels is None else "str",
        "split": "str",
        "source": "str",
    }
    sizes = dict.fromkeys(("width", "height"), "int64") if isinstance(ingested.content, IngestedImages) else {}
    return {
        **fixed,
        **sizes,
        **dict.fromkeys(category_columns(ingested), "str"),
        **dict.fromkeys(ingested.summaries, "float64"),
    }


def tables(
    samples: pd.DataFrame, quarantined: int, ingested: Ingested, drifts: dict[str, float]
) -> dict[str, pd.DataFrame]:
    """Derives the tables; a column that is missing counts as empty, so that the expectation about it can say so.

    - ``samples``: the sample table as ingest wrote it, with the number of splits that each sample's content occurs in
      (``splits_of_content``).
    - ``classes``, where labels are classes: a row for each: ``label``, ``train_samples``, ``largest_class_over_this``.
    - ``columns``, of rows: one for each column of numbers: ``column``, ``train_numbers``.
    - ``dataset``: one row: ``train_samples``, ``validation_samples``, ``test_samples``, ``quarantined_share``; where
      labels are values, ``train_label_values``; where there is a champion, ``drift_of_labels`` and so on.

    Args:
        samples: the sample table.
        quarantined: rows in quarantine.
        ingested: what ingest says of its table.
        drifts: indices against the champion's data; empty where there is no champion.
    """
    whole = samples.reindex(columns=[*sample_columns(ingested)])
    train = whole[whole["split"] == "train"]
    derived = {"samples": samples.assign(splits_of_content=whole.groupby("sha256")["split"].transform("nunique"))}
    dataset = {f"{split}_samples": int((whole["split"] == split).sum()) for split in SPLITS} | {
        "quarantined_share": quarantined / max(1, quarantined + len(samples)),
        **{f"drift_of_{name}": index for name, index in drifts.items()},
    }
    if ingested.labels is None:
        dataset["train_label_values"] = int(train["label"].nunique())
    else:
        derived["classes"] = _classes(train["label"], ingested.labels)
    if isinstance(ingested.content, IngestedRows):
        derived["columns"] = _columns(train, ingested.content.numeric)
    return derived | {"dataset": pd.DataFrame([dataset])}


def _classes(train: "pd.Series[str]", labels: tuple[str, ...]) -> pd.DataFrame:
    counts = train.value_counts().reindex(labels, fill_value=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # an empty class is infinitely rarer
        ratio = counts.max() / counts.to_numpy(np.float64)
    return pd.DataFrame({"label": labels, "train_samples": counts.to_numpy(), "largest_class_over_this": ratio})


def _columns(train: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({"column": names, "train_numbers": [int(train[FEATURE + name].count()) for name in names]})
