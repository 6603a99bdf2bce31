"""Large arrays that come and go: what the C library does with their memory.

glibc maps every array above 32 MB afresh and unmaps it when it is freed, so a loop that makes one per step has the
kernel fault in and zero the same gigabytes again and again: a training on 200,000 interactions spent a third of its
time so. Kept memory is scattered with time, so it is given back between two stages of a training.
"""

from __future__ import annotations

import ctypes
import gc
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of <malloc.h>
KEPT = 2**31 - 1  # bytes of free memory at the end of the heap that are not given back by themselves


def keep_freed_memory() -> bool:
    """Keep what this process frees for its next arrays; commands call it, the library never does.

    Returns:
        Whether the C library is one that can be told: glibc.
    """
    if not _glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))


def give_back_memory() -> None:
    """Give what is free back to the machine, between two stages: a second at most."""
    gc.collect()
    if _glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
