"""Settings: frozen dataclasses that pydantic checks, and their JSON on command lines.

They are dataclasses, not pydantic's models, because ``asdict`` of them is what enters hashes.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from trainfree.errors import ConfigError, near_match, shown
from trainfree.provenance import canonical_json

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""No silent conversions, no unknown keys, only finite numbers."""
_LONGEST = 2000  # of a text in a message


@dataclass(frozen=True, config=STRICT)
class Settings:
    """What settings have in common; those derived are declared as this class is.

    Attributes
    ----------
    called
        What the settings are, for messages.
    """

    called: ClassVar[str]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the settings that :attr:`json` gave as ``text``.

        Fields that are left out have their defaults.

        Raises
        ------
        ConfigError
            When the text is no JSON, or a key is missing, unknown or of the wrong type; names
            each such key, what was expected and what was found.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            known = [field.name for field in fields(cls)]
            problems = "; ".join(_problem(dict(detail), known) for detail in error.errors())
            raise ConfigError(
                f"{cls.called}: expected JSON with {', '.join(known)}: {problems}; the text is "
                f"{shown(text, _LONGEST)}"
            ) from error

    @property
    def json(self) -> str:
        """The settings as canonical JSON, for command lines."""
        return canonical_json(self.values)

    @property
    def values(self) -> dict[str, Any]:
        """All fields by name, those of settings inside settings too, as they enter hashes."""
        found = asdict(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Settings):
                found[field.name] = value.values
        return found


def _problem(detail: dict[str, Any], known: list[str]) -> str:
    """Return in words what is wrong with one key, or with the whole text."""
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location) or "the text"
    if detail["type"] == "missing":
        return f"{key}: is missing"
    if detail["type"] == "unexpected_keyword_argument":
        hint = near_match(location[-1], known) if len(location) == 1 else ""
        return f"{key}: unknown key{hint}"
    return f"{key}: {detail['msg']}, found {shown(detail['input'])}"
