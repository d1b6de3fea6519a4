"""What all sections of the configuration share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
Margin = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A section: no unknown keys, no silent conversions, defaults checked too."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)
