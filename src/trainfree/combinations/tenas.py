"""TE-NAS: the condition number of the tangent kernel and the number of linear regions.

Source: Chen, Gong and Wang, "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021.
Their search prunes a super-network by the sum of the two ranks; ranking whole architectures by it
is how the code of AZ-NAS and of VKDNW (ondratybl/VKDNW) computes their rows named TE-NAS.
"""

from trainfree.combinations.declaration import Combination, Part

COMBINATION = Combination(
    parts=(Part("ntk_condition"), Part("linear_regions")),
    rule="ranks",
    summary="Σ rank",
    cite="Chen et al., ICLR 2021",
)
