"""Formats besides ONNX, each converted and answered in an environment of its own: ``make formats`` makes these."""
