"""What a challenger answered in the shadow of the champion: a folder of Parquet, and what it comes to.

``shadow/<model>/`` of the home folder has a row a sample, written by servers with a ``TUNESMITH_SHADOW_SHARE``.
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import Record
from components.rolling import tables
from components.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_CHANGES = 10


class Change(Record):
    """Samples that the champion gives one label, and the challenger another."""

    champion: str
    challenger: str
    samples: int


class Comparison(Record):
    """What the comparisons of two versions come to."""

    champion: int
    challenger: int
    samples: int
    agreement: float
    """Share of samples with the same label, or with values that no golden test would tell apart."""
    champion_confidence: float | None
    """Mean of the largest probability; None: values have none."""
    challenger_confidence: float | None
    mean_difference: float | None
    """Mean of challenger less champion, in the target's unit; None: classes."""
    champion_ms: float
    """Median time of a request's inference on one thread."""
    challenger_ms: float
    changes: tuple[Change, ...]
    """The most frequent ones."""

    def sentence(self) -> str:
        """The same in words."""
        told = (
            f"In the shadow of version {self.champion}, version {self.challenger} answered {self.samples:,} samples: "
            f"{self.agreement:.1%} alike"
        )
        if self.champion_confidence is not None and self.challenger_confidence is not None:
            told += f", mean confidence {self.challenger_confidence:.3f} (champion {self.champion_confidence:.3f})"
        if self.mean_difference is not None:
            told += f", {self.mean_difference:+.4g} on average"
        told += f", median inference {self.challenger_ms:.2f} ms (champion {self.champion_ms:.2f} ms)."
        if self.changes:
            listed = (f"{each.champion} → {each.challenger} {each.samples:,} times" for each in self.changes[:3])
            told += f" Most often: {', '.join(listed)}."
        return told


def shadow_columns() -> "pa.Schema":
    """The columns of ``shadow/``."""
    import pyarrow as pa

    said = {"label": pa.string(), "value": pa.float32(), "confidence": pa.float32(), "ms": pa.float32()}
    return pa.schema(
        {
            "request_id": pa.string(),
            "sample": pa.int32(),
            "time": pa.timestamp("us", "UTC"),
            "champion": pa.int32(),
            "challenger": pa.int32(),
            "champion_package": pa.string(),  # digests: registries number their versions alike
            "challenger_package": pa.string(),
            **{f"{who}_{what}": kind for who in ("champion", "challenger") for what, kind in said.items()},
            "agrees": pa.bool_(),
        }
    )


def shadow_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "shadow" / model


def compare(folder: Path, champion: str | None, challenger: str) -> Comparison | None:
    """What a challenger did in the shadow of the champion; None: nothing.

    Args:
        folder: of the shadow.
        champion: digest of its package; None: there is none.
        challenger: digest of its package.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if champion is None:
        return None
    both = [("champion_package", "==", champion), ("challenger_package", "==", challenger)]
    known = shadow_columns()
    rows = pa.concat_tables([known.empty_table(), *tables(folder, filters=both, schema=known)])
    if not rows.num_rows:
        return None
    differing = rows.filter(pc.invert(rows["agrees"]))
    pairs = zip(differing["champion_label"].to_pylist(), differing["challenger_label"].to_pylist(), strict=True)
    counted = Counter((before, after) for before, after in pairs if before is not None).most_common(SHOWN_CHANGES)
    return Comparison(
        champion=rows["champion"][0].as_py(),
        challenger=rows["challenger"][0].as_py(),
        samples=rows.num_rows,
        agreement=pc.mean(rows["agrees"]).as_py(),
        champion_confidence=pc.mean(rows["champion_confidence"]).as_py(),
        challenger_confidence=pc.mean(rows["challenger_confidence"]).as_py(),
        mean_difference=pc.mean(pc.subtract(rows["challenger_value"], rows["champion_value"])).as_py(),
        champion_ms=pc.quantile(rows["champion_ms"], 0.5)[0].as_py(),
        challenger_ms=pc.quantile(rows["challenger_ms"], 0.5)[0].as_py(),
        changes=tuple(Change(champion=a, challenger=b, samples=samples) for (a, b), samples in counted),
    )
