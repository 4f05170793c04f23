"""What an expression is once parsed: a small tree of frozen nodes.

`at` is the offset of a node in the text of its expression, from 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

Keys = tuple[str, ...]
"""Keys from the event down to a value; list positions are digits, as in `items.0.sku`."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written; numbers are doubles."""

    value: str | float | bool | None
    at: int


@dataclass(frozen=True, slots=True)
class Path:
    """A place in the event."""

    keys: Keys
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function applied to operands."""

    name: str
    arguments: "tuple[Operand, ...]"
    at: int


Operand = Literal | Path | Call


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`; the operator is one of `= != < <= > >=`."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Membership:
    """`item in [literal, …]`, or `item in path` where the event holds the list."""

    item: Operand
    container: Path | tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """An operand standing alone: a boolean in the event, a predicate function, true or false.

    `negated` when `!` or `not` stands directly before it, which for `contains` and `match` is an
    operator of its own ("text without"), not the opposite of the function.
    """

    operand: Operand
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a parenthesis: `!( … )` or `not ( … )`."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    """Conditions joined by `and`: two or more."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """Conditions joined by `or`: two or more."""

    conditions: "tuple[Condition, ...]"


Condition = Comparison | Membership | Truth | Not | All | Any


def leaves(condition: Condition) -> "Iterator[Comparison | Membership | Truth]":
    """Go through the single conditions of a tree, in the order written."""
    stack: list[Condition] = [condition]
    while stack:
        node = stack.pop()
        if isinstance(node, All | Any):
            stack.extend(reversed(node.conditions))
        elif isinstance(node, Not):
            stack.append(node.condition)
        else:
            yield node


def paths(condition: Condition) -> Iterator[Path]:
    """Go through every place of the event that a tree names."""
    for leaf in leaves(condition):
        if isinstance(leaf, Comparison):
            stack: list[Operand] = [leaf.left, leaf.right]
        elif isinstance(leaf, Truth):
            stack = [leaf.operand]
        else:
            stack = [leaf.item]
            if isinstance(leaf.container, Path):
                stack.append(leaf.container)
        while stack:
            operand = stack.pop()
            if isinstance(operand, Path):
                yield operand
            elif isinstance(operand, Call):
                stack.extend(operand.arguments)
