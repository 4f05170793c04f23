"""How a command fails."""


class CommandError(Exception):
    """The command can't be done; the message is one line that names the mend."""
