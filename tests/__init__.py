"""Tests of the line, its flows and its server."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes test at once, on as few as two processors
