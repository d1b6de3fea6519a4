"""AZ-NAS: expressivity, progressivity, trainability and complexity by their ranks.

Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR
2024; complexity is the number of operations. In the published code (cvlab-yonsei/AZ-NAS) the
evolutionary search ranks its whole history anew after each architecture, those that it met twice
counting twice.
"""

from trainfree.combinations.declaration import Combination, Part

COMBINATION = Combination(
    parts=(
        Part("az_expressivity"),
        Part("az_progressivity"),
        Part("az_trainability"),
        Part("flops"),
    ),
    rule="log_ranks",
    relative=True,
    summary="Σ ln(rank / n)",
    cite="Lee and Ham, CVPR 2024",
)
