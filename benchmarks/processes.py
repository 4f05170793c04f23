"""Processes that a benchmark runs; none is left behind, however the benchmark ends."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.rounds import Failed

_END_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_LIBC = ctypes.CDLL(None)
_GRACE = 30
"""Seconds that a process gets to end by itself."""


@contextmanager
def running(
    command: Sequence[str],
    *,
    talks: bool = True,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a Python module with arguments as long as the block; `talks`: its pipes are read.

    It gets no Ctrl-C from the terminal but is ended by this process, or, should that be killed, by
    the kernel.
    """
    pipe = subprocess.PIPE if talks else None
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdin=pipe, stdout=pipe, text=True, cwd=folder,
        env={**os.environ, **(environ or {})}, process_group=0, preexec_fn=_end_with_parent,
    )  # fmt: skip
    try:
        yield process
    finally:
        _stop(process)


def _end_with_parent() -> None:
    _LIBC.prctl(_END_WITH_PARENT, signal.SIGTERM)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    finally:  # also of an impatient second Ctrl-C
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def told(process: subprocess.Popen[str]) -> str:
    """Wait for a process to end; return what it wrote.

    Raises:
        Failed: it ended badly; it said why on standard error.
    """
    out, _ = process.communicate()
    if process.returncode:
        raise Failed(f"a process ended with {process.returncode}: {_name(process)}")
    return out


def asked(process: subprocess.Popen[str], question: str = "") -> str:
    """Write a line to a process, or none; return the next line that it writes.

    Raises:
        Failed: it has ended.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        if question:
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise Failed(f"a process ended too early: {_name(process)}")
    return line.strip()


def _name(process: subprocess.Popen[str]) -> str:
    assert isinstance(process.args, list)
    return str(process.args[2])


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of those that it runs."""
    return sum(_cpu_seconds(one) for one in _family(pid))


def peak_mb(pid: int) -> float:
    """Return the most memory that a process and those that it runs had resident, each by itself."""
    return sum(_peak_mb(one) for one in _family(pid))


def _family(pid: int) -> list[int]:
    found = [pid]
    with suppress(FileNotFoundError):  # of a process that ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    with suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0
