"""Asks whether vulnerabilities are known of what stands in a bill of materials.

    python -m release.audit BOM

Exit code 0: every part was looked up and none has a known one. 1: some have. 2: not all could be
looked up, which is no answer; pip-audit alone would end with 0 there.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from release.bom import parts

_COMMAND: Final = (
    "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json",
)  # fmt: skip


def ask(lines: Iterable[str]) -> tuple[Mapping[str, Any] | None, str]:
    """Return pip-audit's report of these `name==version`, or nothing and its last words."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parts.txt"
        file.write_text("\n".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", *_COMMAND, f"--requirement={file}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        return None, (done.stderr.strip().splitlines() or ["it said nothing"])[-1]


def verdict(report: Mapping[str, Any] | None, said: str, asked: int) -> tuple[int, list[str]]:
    """Return exit code and lines for a report on `asked` parts."""
    if report is None:
        return 2, [f"NOT AUDITED: the vulnerability service can't be reached: {said}"]
    known = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {flaw['fix_versions'] or 'none'}"
        for one in report["dependencies"]
        for flaw in one.get("vulns", [])
    ]
    looked_up = sum("vulns" in one for one in report["dependencies"])
    if known:
        return 1, known
    if looked_up < asked:
        missing = f"{asked - looked_up} of {asked} parts are unknown to the vulnerability service"
        return 2, [f"NOT AUDITED: {missing}; is it a mirror that has none?"]
    return 0, [f"{asked} parts, no known vulnerability"]


def main(path: Path) -> int:
    """Print the verdict on a bill; return the exit code."""
    lines = [f"{name}=={version}" for name, version in parts(json.loads(path.read_text("utf-8")))]
    code, said = verdict(*ask(lines), asked=len(lines))
    print("\n".join(said))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
