"""Asks the kernel to page out this process's parent's writable memory (process_madvise, MADV_PAGEOUT: Linux 5.10 or later, as root)."""

import ctypes
import os
import re

PIDFD_OPEN, PROCESS_MADVISE, MADV_PAGEOUT = 434, 440, 21
# A mapping of a pool's guest is smaller; its reserved address space is larger.
LARGEST = 64 << 20

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


parent = os.getppid()
descriptor = libc.syscall(PIDFD_OPEN, parent, 0)
if descriptor < 0:
    raise OSError(ctypes.get_errno(), "pidfd_open")
asked = 0
with open(f"/proc/{parent}/maps") as maps:
    for line in maps:
        start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....)", line).groups()
        start, end = int(start, 16), int(end, 16)
        if rights.startswith("rw") and end - start <= LARGEST:
            part = Iovec(start, end - start)
            arguments = [ctypes.c_long(descriptor), ctypes.byref(part), ctypes.c_long(1), ctypes.c_long(MADV_PAGEOUT), ctypes.c_long(0)]
            asked += max(libc.syscall(PROCESS_MADVISE, *arguments), 0)
if asked == 0:
    raise OSError(ctypes.get_errno(), "process_madvise")
