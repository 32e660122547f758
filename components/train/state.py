"""What a training keeps in its state folder, by name; for those who look there without training."""

BEST = "best.safetensors"
"""Weights of the best epoch so far."""
RESUME = "resume.safetensors"
"""All that it goes on from."""
