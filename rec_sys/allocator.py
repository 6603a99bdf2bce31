"""Large arrays that come and go: tell the C library to keep their memory instead of giving it back each time.

glibc maps every array above 32 MB afresh and unmaps it when it is freed, so a loop that makes one per step has the
kernel fault in and zero the same gigabytes again and again: a training on 200,000 interactions spent a third of its
time so.
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of <malloc.h>
KEPT = 2**31 - 1  # bytes of free memory at the end of the heap that are not given back


def keep_freed_memory() -> bool:
    """Keep what this process frees for its next arrays; commands call it, the library never does.

    Returns:
        Whether the C library is one that can be told: glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))
