"""The nodes of the tree, made bottom-up while the parser reads."""

import re
from typing import Final

from lark import Token, Transformer, v_args

from junctor.fql import checks
from junctor.fql.syntax import (
    All,
    Any,
    Call,
    Comparison,
    Condition,
    Keys,
    Literal,
    Membership,
    Not,
    Operand,
    Path,
    Truth,
)

_STEP: Final = re.compile(r"\\(.)|\s*([.\[\]])\s*|(.)", re.DOTALL)
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


def split_path(raw: str) -> Keys:
    r"""Split a path as written into keys: `a . b\ c[0]` is `("a", "b c", "0")`."""
    keys = [""]
    for escaped, separator, plain in _STEP.findall(raw):
        if separator in (".", "["):
            keys.append("")
        elif separator != "]":
            keys[-1] += escaped or plain
    return tuple(keys)


def offset(token: Token) -> int:
    """Return where a token starts, from 0."""
    return token.start_pos or 0


@v_args(inline=True)
class TreeBuilder(Transformer[Token, Condition]):
    """One method per rule of the grammar; what a node may not be is asked of `checks`."""

    def any_of(self, *conditions: Condition) -> Condition:
        """Join by `or`."""
        return conditions[0] if len(conditions) == 1 else Any(conditions)

    def all_of(self, *conditions: Condition) -> Condition:
        """Join by `and`."""
        return conditions[0] if len(conditions) == 1 else All(conditions)

    def group(self, condition: Condition) -> Condition:
        """Leave parentheses out: the tree has their meaning."""
        return condition

    def negated_group(self, _sign: Token, condition: Condition) -> Not:
        """Negate a parenthesis."""
        return Not(condition)

    def negated_operand(self, _sign: Token, operand: Operand) -> Truth:
        """Negate a function or a path."""
        return Truth(checks.truth(operand), negated=True)

    def truth(self, operand: Operand) -> Truth:
        """Take an operand for a condition."""
        return Truth(checks.truth(operand))

    def comparison(self, left: Operand, operator: Token, right: Operand) -> Comparison:
        """Compare two operands."""
        return checks.comparison(Comparison(left, str(operator), right), offset(operator))

    def membership(
        self, item: Operand, _in: Token, container: Path | tuple[Literal | Path, ...]
    ) -> Membership:
        """Look for an operand in a list."""
        return checks.membership(item, container, offset(_in))

    def list(self, *items: Literal | Path) -> tuple[Literal | Path, ...]:
        """Keep the items of a written list."""
        return items

    def call(self, name: Token, *arguments: Operand) -> Call:
        """Apply a function."""
        return checks.call(Call(str(name), arguments, offset(name)))

    def path(self, token: Token) -> Path:
        """Read a path."""
        return Path(split_path(token), offset(token))

    def text(self, token: Token) -> Literal:
        """Read a text: everything between the quotes, as it stands."""
        return Literal(token[1:-1], offset(token))

    def number(self, token: Token) -> Literal:
        """Read a number as a double."""
        return Literal(float(token), offset(token))

    def constant(self, token: Token) -> Literal:
        """Read true, false or null."""
        return Literal(_CONSTANTS[token], offset(token))
