"""Settings of a connector: declared once, used for validation, docs and forms."""

from pydantic import BaseModel, ConfigDict, SecretStr

Secret = SecretStr
"""A credential: given in the configuration by reference only, never printed.
Read it with `.get_secret_value()`."""


class Settings(BaseModel):
    """Base of every connector's settings; a field's docstring is its documentation.

    Unknown keys are errors; input is never repeated in an error, since it may be a secret.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    def warnings(self) -> list[str]:
        """Return what is allowed but probably not meant; shown by `junctor check`."""
        return []
