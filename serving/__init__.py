"""The server: BentoML answers over HTTP from the champion. Knows neither torch, Lightning, Ray, DVC nor Prefect."""

import components  # noqa: F401  before ONNX Runtime, whose telemetry it turns off
