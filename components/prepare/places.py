"""Where the samples of each split stand in the sample table."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import Split

Places = dict[Split, NDArray[np.int64]]
"""Rows of the sample table, ascending, at least one a split."""
