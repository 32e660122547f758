"""The named baseline: a simple model that the network must beat, really fitted on the training split."""
