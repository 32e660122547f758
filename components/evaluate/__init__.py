"""Stage ``evaluate``: the chosen model on the held-out test split, against a baseline and the champion; the report.

Reads ``data/prepared``, ``data/champion``, ``data/ingested/ingested.json``, ``models/train``, ``models/compress``,
``reports/train/history.json`` and ``reports/augment/contact_sheet.png``.
Writes ``models/evaluate/{evaluated.json,golden.safetensors,reference.safetensors}`` and
``reports/evaluate/{report.html,metrics.json}``.
Guarantees: every model is measured on the same test samples, which nothing was fitted or chosen on; the champion is
compared on those of them alone that it was not trained on under another test share; what travels with the model
(golden batch, drift reference) comes from the validation split; the report is one file that loads nothing and runs no
script.
"""
