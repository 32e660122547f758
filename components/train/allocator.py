"""glibc's allocator, told to keep what training frees: the same tensors are asked for again in the next step."""

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> None:
    """Raises glibc's thresholds (mallopt(3)); does nothing where the C library is another one.

    Without it every activation of some megabytes is mapped, zeroed by the kernel and unmapped in every step.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return
    for option, value in ((M_MMAP_THRESHOLD, 2**30), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 64 * 2**20)):
        libc.mallopt(option, value)
