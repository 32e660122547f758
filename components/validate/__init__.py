"""Stage validate: expectations about the data, checked before anything is trained on it.

Reads ``data/ingested`` (the tables, not the array) and ``data/champion``. Writes

- ``data/validated/verdict.json``: :class:`components.contracts.Verdict`;
- ``data/validated/profile.json``: :class:`components.data_profile.DataProfile`; both depend on the data alone, so that
  a new champion does not make the stages after this one run again;
- ``reports/validate/validation.json``: every expectation, what was observed, the limit, the first rows that break it;
- ``reports/validate/docs/index.html``: the same as pages (Great Expectations' Data Docs), which open from disk, run no
  script and load nothing from outside.

Guarantees that a table that breaks an expectation stops the line; the report is written in any case, the verdict only
where every expectation holds. Sends nothing anywhere.
"""
