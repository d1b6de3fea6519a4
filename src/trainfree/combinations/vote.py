"""The vote of three proxies.

Source: Abdelfattah, Mehrotra, Dudziak and Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR
2021, section 4.3. The published vote decides one pair of architectures by majority; what orders
more of them here is the fraction of pairs that they win.
"""

from trainfree.combinations.declaration import Combination, Part

COMBINATION = Combination(
    parts=(Part("synflow"), Part("jacob_cov"), Part("snip")),
    rule="majority",
    summary="the fraction of pairs that it wins by majority",
    cite="Abdelfattah et al., ICLR 2021",
)
