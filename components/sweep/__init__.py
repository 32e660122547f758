"""Stage ``sweep``: a search for better hyperparameters, which proposes a change of params.yaml.

Reads ``data/prepared/{train,validation}``, ``preprocessing.json`` and ``data/augmented``; no trial has the test split.
Writes ``reports/sweep``; its journal and checkpoints lie in the home folder. Guarantees: what a trial came to is on
disk before anything follows from it, so that a sweep that was killed goes on; the same sweep asked again is answered
from its record.
"""
