"""The section about tables."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainfree.config.section import Draws, Margin, Section


class AnalysisConfig(Section):
    """Tables."""

    bootstrap_resamples: Annotated[Draws, Field(ge=50)] = Field(
        default=200, description="Bootstrap resamples behind each 95 % interval."
    )
    tau_draws: Draws = Field(
        default=200,
        description="How often the NASWOT paper's draw of at most 1,000 architectures is repeated.",
    )
    margin_percent: Margin = Field(
        default=0.5,
        description="Percentage points of mean accuracy by which a reproduced cell may differ.",
    )
    margin_correlation: Margin = Field(
        default=0.03, description="The same for Kendall's tau and Pearson's r."
    )
    margin_score: Margin = Field(
        default=0.01, description="The same for mean scores, as a fraction of the published one."
    )
    coarsest: Margin = Field(
        default=6.0,
        description="Where two standard errors exceed this many margins, agreement says nothing.",
    )
