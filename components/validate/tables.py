"""What the expectations are about: the samples, the classes, and the data set as a whole, a table each."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from components.contracts import SPLITS, Ingested

SAMPLE_COLUMNS = {
    "id": "str",
    "sha256": "str",
    "label": "str",
    "split": "str",
    "width": "int64",
    "height": "int64",
    "mean": "float64",
    "std": "float64",
    "source": "str",
}


@dataclass(frozen=True)
class Tables:
    """The tables that are checked.

    Attributes:
        samples: the sample table as ingest wrote it, with the number of splits that each sample's content occurs in
            (``splits_of_content``).
        classes: a row for each label: ``label``, ``train_samples``, ``largest_class_over_this``.
        dataset: one row: ``train_samples``, ``validation_samples``, ``test_samples``, ``quarantined_share`` and, where
            there is a champion, ``drift_of_labels``, ``drift_of_brightness``, ``drift_of_contrast``.
    """

    samples: pd.DataFrame
    classes: pd.DataFrame
    dataset: pd.DataFrame

    @classmethod
    def of(cls, samples: pd.DataFrame, quarantined: int, ingested: Ingested, drifts: dict[str, float]) -> Self:
        """Derives the tables; a column that is missing counts as empty, so that the expectation about it can say so.

        Args:
            samples: the sample table.
            quarantined: rows in quarantine.
            ingested: what ingest says of its table.
            drifts: indices against the champion's data; empty where there is no champion.
        """
        whole = samples.reindex(columns=[*SAMPLE_COLUMNS])
        splits_of_content = whole.groupby("sha256")["split"].transform("nunique")
        train = whole.loc[whole["split"] == "train", "label"].value_counts().reindex(ingested.labels, fill_value=0)
        with np.errstate(divide="ignore", invalid="ignore"):  # an empty class is infinitely rarer
            ratio = train.max() / train.to_numpy(np.float64)
        classes = pd.DataFrame(
            {"label": ingested.labels, "train_samples": train.to_numpy(), "largest_class_over_this": ratio}
        )
        dataset = {f"{split}_samples": int((whole["split"] == split).sum()) for split in SPLITS} | {
            "quarantined_share": quarantined / max(1, quarantined + len(samples)),
            **{f"drift_of_{name}": index for name, index in drifts.items()},
        }
        return cls(samples.assign(splits_of_content=splits_of_content), classes, pd.DataFrame([dataset]))
