"""Stage ``train``: the network, trained by Lightning and tracked in MLflow.

Reads ``data/prepared/{train,validation}``, ``preprocessing.json`` and ``data/augmented/order.npy``; never the test
split. Writes ``models/train/{best,last}.safetensors`` and ``trained.json``, and ``reports/train/history.json``.
Guarantees: killed at any moment and started again, it goes on from its last checkpoint and, on a CPU, ends with the
very weights of a run that was never killed.
"""
