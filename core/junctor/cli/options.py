"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
DestinationFilter = Annotated[
    str | None, typer.Option("--destination", metavar="ID", help="Of this destination only.")
]
CodeFilter = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="With this error code only.")
]
SinceFilter = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help='Since then: "2026-01-31T12:00:00Z", or "2h" ago.'
    ),
]
Ids = Annotated[
    list[int] | None, typer.Option("--id", metavar="N", help="This one; may be repeated.")
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="At most N.")]
Before = Annotated[
    int | None, typer.Option("--before", metavar="N", help="Those with an id below N: older ones.")
]

DEFAULT_CONFIG = Path("junctor.toml")
