"""The flows: Prefect walks the graph of dvc.yaml, and does what cannot be taken back."""
