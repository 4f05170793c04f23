"""Faults of disk and clock under a daemon that runs: `faults.c`, put before the C library."""

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_SOURCE: Final = Path(__file__).with_suffix(".c")
_COMPILER: Final = shutil.which("cc")

needs_faults: Final = pytest.mark.skipif(
    not sys.platform.startswith("linux") or _COMPILER is None,
    reason="faults are put before the C library of Linux, and need a C compiler",
)


class Switches(ctypes.Structure):
    """What goes wrong now; the fields are explained in `faults.c`. Errors are numbers of errno."""

    _fields_ = (
        ("write_error", ctypes.c_int32),
        ("grow_error", ctypes.c_int32),
        ("sync_error", ctypes.c_int32),
        ("read_error", ctypes.c_int32),
        ("halves", ctypes.c_int32),
        ("fired", ctypes.c_int32),
        ("clock_ahead", ctypes.c_int64),
    )
    write_error: int
    grow_error: int
    sync_error: int
    read_error: int
    halves: int
    fired: int
    clock_ahead: int


class Faults:
    """The switches of the processes that are started with `environ`; all are off at first."""

    def __init__(self, folder: Path) -> None:
        """Compile into `folder`, and keep the switches there."""
        assert _COMPILER is not None
        library, switches = folder / "faults.so", folder / "faults"
        subprocess.run(
            [_COMPILER, "-O1", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl", "-lpthread"],
            check=True,
        )
        switches.write_bytes(bytes(ctypes.sizeof(Switches)))
        with switches.open("r+b") as file:
            self.now = Switches.from_buffer(mmap.mmap(file.fileno(), 0))
        before = [os.environ["LD_PRELOAD"]] if "LD_PRELOAD" in os.environ else []
        self.environ = {
            "LD_PRELOAD": ":".join([str(library), *before]),
            "JUNCTOR_FAULTS": str(switches),
        }

    def set(self, **switches: int) -> None:
        """Turn these switches."""
        for name, value in switches.items():
            setattr(self.now, name, value)

    def heal(self) -> None:
        """Turn off all that goes wrong with the disk."""
        self.set(write_error=0, grow_error=0, sync_error=0, read_error=0, halves=0)
