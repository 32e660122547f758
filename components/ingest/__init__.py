"""Stage ingest: any source of images becomes one table of samples and one memory-mapped array.

Reads the folder ``ingest.source.path``. Writes into ``data/ingested``:

- ``samples.parquet``: id, sha256, label, split, width, height (of the original, pixels), mean, std (of the sample's
  array, 0 to 255), source (its file, or file#index inside an IDX file); in the order of the sources' names;
- ``inputs.npy``: (samples, height, width, channels) uint8, in the same order;
- ``quarantine.parquet``: source, reason, detail of everything that is not a sample;
- ``ingested.json``: :class:`components.contracts.Ingested`;

and ``reports/ingest/summary.md``.

Guarantees: what is in the source is either a sample or in quarantine, with its reason. The sha256 names the picture
itself (:mod:`components.splits` says why), so no picture occurs twice, under two labels or in two splits; a test split
of the source's own is kept whole, and repetitions inside it stay. The same source gives the same bytes.
"""
