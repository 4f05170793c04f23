"""What a reader of a value raises when it can't be meant; the table around it says where."""


class Refusal(ValueError):
    """A value that is refused; `place` leads from the value to the part of it that is meant."""

    def __init__(
        self, message: str, hint: str | None = None, place: tuple[str | int, ...] = ()
    ) -> None:
        """Keep what is wrong, the mend and the place. The value itself is never repeated."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place
