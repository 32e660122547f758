"""What a person wants to know of a new version of the data, as Markdown."""

import pandas as pd

from components.contracts import SPLITS, Ingested

SHOWN = 20


def summary(ingested: Ingested, samples: pd.DataFrame, quarantine: pd.DataFrame) -> str:
    """The page: samples by class and split, sizes, and what went to quarantine."""
    origin = "a test split of its own" if ingested.own_test_split else "splits by the hash of each sample's content"
    size = f"{ingested.height} × {ingested.width} × {ingested.channels}"
    return "\n".join(
        [
            f"# {len(samples)} samples, {len(quarantine)} in quarantine",
            "",
            f"Brought to {size}; the source has {origin}.",
            "",
            *_classes(ingested, samples),
            "",
            *_quarantine(ingested, quarantine),
            "",
        ]
    )


def _classes(ingested: Ingested, samples: pd.DataFrame) -> list[str]:
    counts = samples.groupby(["label", "split"]).size()
    rows = [
        f"| {_code(label)} | " + " | ".join(str(counts.get((label, split), 0)) for split in SPLITS) + " |"
        for label in ingested.labels
    ]
    total = " | ".join(str(ingested.samples[split]) for split in SPLITS)
    return [f"| class | {' | '.join(SPLITS)} |", "|---|" + "---:|" * len(SPLITS), *rows, f"| all | {total} |"]


def _quarantine(ingested: Ingested, quarantine: pd.DataFrame) -> list[str]:
    if quarantine.empty:
        return ["Nothing is in quarantine."]
    reasons = ", ".join(f"{count} {reason}" for reason, count in ingested.quarantined.items())
    shown = quarantine.head(SHOWN).itertuples(index=False)
    left = len(quarantine) - SHOWN
    return [
        f"In quarantine: {reasons}.",
        "",
        *(f"- {row.reason}: {_code(row.source)}: {_code(row.detail)}" for row in shown),
        *([f"- and {left} more in data/ingested/quarantine.parquet"] if left > 0 else []),
    ]


def _code(text: object) -> str:
    """Text of the source as inline code: a file's name must not act as Markdown."""
    return "`" + str(text).replace("`", "'").replace("|", "/").replace("\n", " ") + "`"
