"""Which papers stand behind each name of the suite; tests keep every name in here.

Proxies are found by what they declare in ``cite=``, so that one whose declaration is edited is
looked at again here. An empty tuple means that there is nothing to cite.
"""

from __future__ import annotations

OF_CITES: dict[str, tuple[str, ...]] = {
    "baseline": (),
    "baseline; counted as in NAS-Bench-201": ("dong2020",),
    "control": (),
    "Abdelfattah et al., ICLR 2021": ("abdelfattah2021",),
    "Abdelfattah et al., ICLR 2021, published code": ("abdelfattah2021",),
    "Abdelfattah et al., ICLR 2021, published code for NAS-Bench-201": ("abdelfattah2021",),
    "code of Abdelfattah et al., ICLR 2021 (zero-cost-nas)": ("abdelfattah2021",),
    "Asthana et al., TMLR 2025 (Dextr), and its code rohanasthana/Dextr": ("asthana2025",),
    "Bhardwaj et al., ICCV Workshops 2023, as described in a copy of the paper's text": (
        "bhardwaj2023",
    ),
    "Casarin et al., CVPR 2025, as described in a copy of the paper's text": ("casarin2025",),
    "Chen et al., ICLR 2021 (TE-NAS)": ("chen2021",),
    "Husistein, Reiher and Eckhoff, ICLR 2025 (NEAR), and its code ReiherGroup/NEAR": (
        "husistein2025",
    ),
    "Jiang, Wang and Bie, NeurIPS 2023 (MeCo)": ("jiang2023",),
    "Jiang, Wang and Bie, NeurIPS 2023 (MeCo), MeCo_opt": ("jiang2023",),
    "Jing et al., Zero-Shot Neural Architecture Search with Weighted Response Correlation, "
    "arXiv 2507.08841, 2025": ("jing2025",),
    "Lee and Ham, CVPR 2024 (AZ-NAS)": ("lee2024",),
    "Lee et al., ICLR 2019; summed over the network by Abdelfattah et al., ICLR 2021": (
        *("lee2019", "abdelfattah2021"),
    ),
    "Li et al., ICLR 2023": ("li2023",),
    "Lin et al., ICCV 2021": ("lin2021",),
    "Lopes et al., ICANN 2021": ("lopes2021",),
    "Mellor et al., ICML 2021, equations 1 and 2": ("mellor2021",),
    "Mellor et al., ICML 2021, published code": ("mellor2021",),
    "Mellor et al., ICML 2021; division ours": ("mellor2021",),
    "Mellor et al., arXiv 2006.04647v1": ("mellor2020",),
    "Peng et al., ICLR 2024 (SWAP-NAS)": ("peng2024",),
    "Tanaka et al., NeurIPS 2020; summed over the network by Abdelfattah et al., ICLR 2021": (
        *("tanaka2020", "abdelfattah2021"),
    ),
    "Turner et al., ICLR 2020; summed over the network by Abdelfattah et al., ICLR 2021": (
        *("turner2020", "abdelfattah2021"),
    ),
    "Týbl and Neumann, CVPR 2025": ("tybl2025",),
    "Týbl and Neumann, CVPR 2025 (ℵ)": ("tybl2025",),
    "Wang et al., ICLR 2020; summed over the network by Abdelfattah et al., ICLR 2021": (
        *("wang2020", "abdelfattah2021"),
    ),
    "Zhang and Jia, ICLR 2022 (GradSign)": ("zhang2022",),
    "Zhou et al., CVPR 2022 (TF-TAS), as in the code of AZ-NAS": ("zhou2022", "lee2024"),
    "Zhou et al., CVPR 2026, as described in notes on the paper": ("zhou2026",),
    "as described in public notes on Kang et al., ICCV 2025 (NCD), equation 4 and section 4.2": (
        "kang2025",
    ),
    "as described in the code of Yamasaki et al., TNNLS 2025 (tomomasayamasaki/RBFleX-NAS)": (
        "yamasaki2025",
    ),
    "code of iViolinSolo/zero-cost-proxies (T-CET, variant synflow)": ("tcet",),
}
"""By what proxies declare."""

OF_COMBINATIONS: dict[str, tuple[str, ...]] = {
    "az_nas": ("lee2024",),
    "tenas": ("chen2021",),
    "vkdnw_agg": ("tybl2025",),
    "vote": ("abdelfattah2021",),
}

_DARTS = ("liu2019",)
_NDS = ("radosavovic2019",)
OF_SPACES: dict[str, tuple[str, ...]] = {
    "nasbench101": ("ying2019",),
    "nasbench201": ("dong2020", "dong2021"),
    "nasbench201_mini": ("dong2020",),
    "nats_sss": ("dong2021",),
    "nasbench301": ("liu2019", "zela2022"),
    "darts": _DARTS,
    "darts_bench545": _DARTS,
    "darts_random214": _DARTS,
    "darts_small": _DARTS,
    "darts_swap": ("liu2019", "peng2024"),
    "transnas101_macro": ("duan2021",),
    "transnas101_micro": ("duan2021",),
    "zoo_pytorchcv_cifar10": ("semery",),
    "zoo_pytorchcv_cifar100": ("semery",),
    "zoo_torchvision": ("torchvision",),
    "zoo_timm": ("wightman2019",),
    **dict.fromkeys(
        (
            *("nds_amoeba", "nds_darts", "nds_enas", "nds_nasnet", "nds_pnas"),
            *("nds_darts_fix_w_d", "nds_enas_fix_w_d", "nds_pnas_fix_w_d"),
            *("nds_amoeba_in", "nds_darts_in", "nds_enas_in", "nds_nasnet_in", "nds_pnas_in"),
            *("nds_resnet", "nds_resnext_a", "nds_resnext_b", "nds_vanilla"),
            *("nds_resnet_as_scored", "nds_vanilla_as_scored"),
        ),
        _NDS,
    ),
}
"""Spaces with the benchmarks that trained their architectures."""

OF_SOURCES: dict[str, tuple[str, ...]] = {
    "analog-nasbench": ("analognasbench",),
    "AnalogNAS": ("analognasbench",),
    "HW-NAS-Bench": ("li2021",),
}
"""Other benchmarks, by a word in the note on their source."""

OF_ALGORITHMS: dict[str, tuple[str, ...]] = {
    "random": (),
    "rea": ("real2019",),
    "area": ("mellor2021", "real2019"),
    "reinforce": ("williams1992",),
    "bohb": ("falkner2018",),
    "warmup": ("abdelfattah2021",),
    "move": ("abdelfattah2021", "real2019"),
}

OF_METHODS: dict[str, tuple[str, ...]] = {
    "rsps": ("li2019",),
    "darts_v1": ("liu2019",),
    "darts_v2": ("liu2019",),
    "gdas": ("dong2019",),
    "setn": ("dong2019setn",),
    "enas": ("pham2018",),
}
"""Searches by shared weights."""

OF_IMAGES: dict[str, tuple[str, ...]] = {
    "cifar10": ("krizhevsky2009",),
    "cifar100": ("krizhevsky2009",),
    "imagenet16-120": ("chrabaszcz2017", "deng2009"),
    "imagenet-noise": (),
    "taskonomy-scene": ("zamir2018",),
    "taskonomy-object": ("zamir2018",),
    "taskonomy-layout": ("zamir2018",),
    "generated": (),
}

OF_RESULTS: dict[str, tuple[str, ...]] = {
    "tables/naswot_": ("mellor2021",),
    "tables/nasbench101_naswot_": ("mellor2021",),
    "tables/cossu_": ("cossu",),
    "tables/field_vkdnw": ("tybl2025",),
    "tables/field_aznas": ("lee2024",),
    "tables/field_zerocost": ("abdelfattah2021",),
    "tables/proxy_agreement": ("krishnakumar2022",),
    "tables/space_agreement": ("krishnakumar2022",),
    "tables/learned": ("kadlecova2024",),
    "tables/proxy_outcomes": ("li2021", "analognasbench"),
    "learned/": ("kadlecova2024",),
    "fronts/": ("deb2002",),
    "enas/": ("pham2018",),
    "enas_convolutional/": ("pham2018",),
}
"""By how the path of a file of results begins."""
