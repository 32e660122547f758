from pathlib import Path

import numpy as np
import psutil

from components.contracts import LabelledArrays


def test_a_split_larger_than_memory_and_swap_opens(tmp_path: Path) -> None:
    """Linux refuses to map such a file privately for writing; this one is a hole, and takes no room on the disk."""
    sample_bytes = 2**30
    count = (psutil.virtual_memory().total + psutil.swap_memory().total) // sample_bytes + 2
    LabelledArrays(np.zeros((0, sample_bytes), np.uint8), np.arange(count), np.arange(count).astype(str)).save(tmp_path)
    with (tmp_path / "inputs.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, sample_bytes)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + count * sample_bytes)
    split = LabelledArrays.load(tmp_path)
    assert split.inputs.shape == (count, sample_bytes)
    assert split.inputs[-1, -1] == 0
    assert split.labels.tolist() == list(range(count))
