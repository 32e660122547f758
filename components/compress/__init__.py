"""Stage ``compress``: variants of the trained network as ONNX graphs, measured here, and one chosen by a stated budget.

Reads ``models/train/best.safetensors``, ``data/prepared/{train,validation}``, ``data/augmented`` and
``preprocessing.json``; trains and calibrates on training samples and measures on validation samples, never on the test
split. Writes ``models/compress`` with the graph of each variant, the chosen network as ``weights.safetensors`` beside
``network.json``, and ``compressed.json``; and ``reports/compress``.
Guarantees: a graph that was exported gives the answers of its network; the chosen variant keeps every budget of the
section ``compress``; one that is refused, or could not be made, has its reason.
"""
