"""Behavioural tests of trained models, in the sense of CheckList (Ribeiro et al. 2020, arXiv:2005.04118).

Minimum functionality: what any such model must be able to do. Invariance: what must not change an answer. Direction:
which way an answer must go. The model is the champion's package as the server loads it, and it is asked by its own
decoders: from the bytes of a request to the answer.

By default the champion is that of the small line of :mod:`tests.line.kinds`. ``pytest tests/behaviour
--workspace=PATH`` asks that of another workspace, about samples of its test split; ``make presets`` does so for each
preset.
"""
