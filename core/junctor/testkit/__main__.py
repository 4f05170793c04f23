"""Write the page of rules: `python -m junctor.testkit docs/rules.md`."""

import sys
from pathlib import Path

from junctor.testkit.rules import rules_page

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m junctor.testkit docs/rules.md")
    Path(sys.argv[1]).write_text(rules_page(), encoding="utf-8")
