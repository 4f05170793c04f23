"""The language of audiences: tables as TOML has them, in; definitions and problems, out."""

from junctor.audiences.language.checks import order
from junctor.audiences.language.comparisons import parse_comparison
from junctor.audiences.language.definitions import SECTIONS, parse_definitions
from junctor.audiences.language.refusal import Refusal

__all__ = ["SECTIONS", "Refusal", "order", "parse_comparison", "parse_definitions"]
