"""The one way an expression is refused: at load, with the place and a hint.

FqlError    what callers see; carries the whole expression
Refusal     what the modules of this package raise before the whole text is at hand
"""


class Refusal(Exception):
    """Something refused at offset `at` of an expression; `parse` makes an `FqlError` of it."""

    def __init__(self, at: int, message: str, hint: str = "") -> None:
        """Keep the place, the sentence and the hint."""
        self.at = at
        self.message = message
        self.hint = hint
        super().__init__(message)


class FqlError(ValueError):
    """An expression that cannot be used.

    Attributes:
        text: the whole expression.
        message: what is wrong, one sentence without a full stop.
        hint: what to write instead; may be empty.
        line: line of the place meant, from 1.
        column: column in that line, in characters, from 1.
    """

    def __init__(self, text: str, at: int, message: str, hint: str = "") -> None:
        """Refuse `text`; `at` is the offset, from 0, of the place meant."""
        before = text[:at].replace("\r\n", "\n")
        self.text = text
        self.message = message
        self.hint = hint
        self.line = before.count("\n") + 1
        self.column = len(before) - (before.rfind("\n") + 1) + 1
        super().__init__(message)

    def __str__(self) -> str:
        """Print the message, the line meant with a caret under the place, and the hint."""
        lines = self.text.replace("\r\n", "\n").split("\n")
        source = lines[self.line - 1]
        # A tab stays a tab under itself, so that the caret stands right whatever its width.
        indent = "".join("\t" if char == "\t" else " " for char in source[: self.column - 1])
        shown = [
            f"{self.message} (line {self.line}, column {self.column})",
            f"  {source}",
            f"  {indent}^",
        ]
        return "\n".join([*shown, f"  hint: {self.hint}"] if self.hint else shown)
