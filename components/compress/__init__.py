"""Stage ``compress``: the trained network as an ONNX graph, quantized, measured here, and chosen by a stated budget.

Reads ``models/train/best.safetensors``, ``data/prepared/{train,validation}`` and ``preprocessing.json``; calibrates on
training samples and measures on validation samples, never on the test split. Writes ``models/compress`` with
``fp32.onnx``, ``int8.onnx`` and ``compressed.json``. Guarantees: the fp32 graph answers as the network does, and the
chosen variant keeps every budget of the section ``compress``.
"""
