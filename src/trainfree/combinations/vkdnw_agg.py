"""VKDNW_agg: VKDNW beside the Jacobian's covariance, expressivity, trainability and operations.

Source: Týbl and Neumann, CVPR 2025, as described in the published code (ondratybl/VKDNW): VKDNW
itself has dense ranks of the pair (number of parameter tensors, entropy), the others mean ranks.
There a component that could not be computed counts as −∞; here the proxies say −∞ where their
formula is undefined, and an architecture that failed has no combined score.
"""

from trainfree.combinations.declaration import Combination, Part

COMBINATION = Combination(
    parts=(
        Part("vkdnw", ties="dense"),
        Part("jacob_cov"),
        Part("az_expressivity"),
        Part("az_trainability"),
        Part("flops"),
    ),
    rule="log_ranks",
    summary="Σ ln rank",
    cite="Týbl and Neumann, CVPR 2025",
)
