"""The stages of the line and the kernel below them; knows neither Prefect nor BentoML."""

import os

# ONNX Runtime tells Microsoft of every graph from the moment on at which it is imported, so this must come before.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
