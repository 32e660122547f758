"""What a person wants to know of a new version of the data, as Markdown."""

import pandas as pd

from components.contracts import SPLITS, Ingested, IngestedImages, IngestedRows, IngestedTexts
from components.ingest.rows import FEATURE
from components.ingest.wording import printable

SHOWN = 20
QUANTILES = {"min": 0.0, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "max": 1.0}


def summary(ingested: Ingested, samples: pd.DataFrame, quarantine: pd.DataFrame) -> str:
    """The page: samples by class and split, what they are like, and what went to quarantine."""
    origin = "a test split of its own" if ingested.own_test_split else "splits by the hash of each sample's content"
    paragraphs = [
        [f"# {len(samples)} samples, {len(quarantine)} in quarantine"],
        [f"{_what(ingested)} The source has {origin}."],
        _splits(ingested) if ingested.labels is None else _classes(ingested.labels, ingested, samples),
        _numbers(ingested, samples),
        *_categories(ingested, samples),
        _quarantine(ingested, quarantine),
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n"


def _what(ingested: Ingested) -> str:
    match ingested.content:
        case IngestedImages(height=height, width=width, channels=channels):
            return f"Images, brought to {height} × {width} × {channels}."
        case IngestedTexts():
            return "Texts, as they are."
        case IngestedRows(numeric=numeric, categorical=categorical):
            return (
                f"Rows of {len(numeric)} numbers and {len(categorical)} categories, with {_code(ingested.label_name)}."
            )


def _splits(ingested: Ingested) -> list[str]:
    counts = " | ".join(str(ingested.samples[split]) for split in SPLITS)
    return [f"| {' | '.join(SPLITS)} |", "|" + "---:|" * len(SPLITS), f"| {counts} |"]


def _classes(labels: tuple[str, ...], ingested: Ingested, samples: pd.DataFrame) -> list[str]:
    counts = samples.groupby(["label", "split"]).size()
    rows = [
        f"| {_code(label)} | " + " | ".join(str(counts.get((label, split), 0)) for split in SPLITS) + " |"
        for label in labels
    ]
    total = " | ".join(str(ingested.samples[split]) for split in SPLITS)
    return [f"| class | {' | '.join(SPLITS)} |", "|---|" + "---:|" * len(SPLITS), *rows, f"| all | {total} |"]


def _numbers(ingested: Ingested, samples: pd.DataFrame) -> list[str]:
    """Count, missing and quartiles of the label, where it is a number, and of each summary."""
    columns = {name.removeprefix(FEATURE): samples[name] for name in ingested.summaries}
    if ingested.labels is None:
        columns = {ingested.label_name: samples["label"]} | columns
    rows = [
        f"| {_code(name)} | {values.count()} | {values.isna().sum()} | "
        + " | ".join(f"{value:.6g}" for value in values.quantile([*QUANTILES.values()]))
        + " |"
        for name, values in columns.items()
    ]
    head = ["number", "count", "missing", *QUANTILES]
    return [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1), *rows]


def _categories(ingested: Ingested, samples: pd.DataFrame) -> list[list[str]]:
    """A table for each column of categories, the most frequent first."""
    if not isinstance(ingested.content, IngestedRows):
        return []
    return [_counts(name, samples[FEATURE + name]) for name in ingested.content.categorical]


def _counts(name: str, values: "pd.Series[str]") -> list[str]:
    counts = values.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    shown = [f"| {_code(category)} | {rows} |" for category, rows in counts.head(SHOWN).items()]
    rest = counts.iloc[SHOWN:]
    more = [f"| and {len(rest)} more | {rest.sum()} |"] if len(rest) else []
    return [f"| {_code(name)} | rows |", "|---|---:|", *shown, *more]


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
    """Text of the source as inline code: it must not act as Markdown."""
    return "`" + printable(str(text)).replace("`", "'").replace("|", "/") + "`"
