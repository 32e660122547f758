"""Stage ``compress``: the trained network as an ONNX graph, quantized, measured here, and chosen by a stated budget.

Reads ``models/train/best.safetensors``, ``data/prepared/{train,validation}`` and ``preprocessing.json``; calibrates on
training samples and measures on validation samples, never on the test split. Writes ``models/compress`` with
``fp32.onnx``, ``int8.onnx`` where the quantizer can make it, and ``compressed.json``. Guarantees: the fp32 graph gives
the answers of the network, and the chosen variant keeps every budget of the section ``compress``; a variant that is not
chosen has its reason.
"""
