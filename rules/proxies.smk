"""Proxies beside each other: the targets ``proxy_tables``, ``proxy_figures``, ``proxy_stability``."""


rule prepare_hardware:
    output:
        "data/benchmarks/hardware-{space}.h5",
    log:
        "logs/prepare_hardware/{space}.log",
    benchmark:
        "logs/benchmarks/prepare_hardware/{space}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        order=CONFIG.sources.order,
        timeout=CONFIG.sources.timeout_seconds,
        code=code_hash("trainfree.benchmarks.hardware"),
    shell:
        "python -m trainfree prepare-hardware --space {wildcards.space} --order {params.order}"
        " --timeout {params.timeout} --cache data/downloads --output {output} > {log} 2>&1"


rule tabulate_proxies:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
    output:
        report(
            "results/tables/proxies.csv",
            caption="../reports/captions/proxies.rst",
            category="Proxies",
        ),
        report(
            "results/tables/proxy_pairs.csv",
            caption="../reports/captions/proxy_pairs.rst",
            category="Proxies",
        ),
        multiext("results/tables/proxies", ".md", ".tex"),
        multiext("results/tables/proxy_pairs", ".md", ".tex"),
    log:
        "logs/tabulate_proxies.log",
    benchmark:
        "logs/benchmarks/tabulate_proxies.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        resamples=CONFIG.analysis.bootstrap_resamples,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.proxy_table"),
    shell:
        "python -m trainfree tabulate-proxies --scores {input.scores}"
        " --benchmark {input.benchmark} --resamples {params.resamples} --seed {params.seed}"
        " --stem results/tables/proxies --pairs results/tables/proxy_pairs > {log} 2>&1"


rule tabulate_outcomes:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
        hardware=HARDWARE,
    output:
        report(
            "results/tables/proxy_outcomes.csv",
            caption="../reports/captions/proxy_outcomes.rst",
            category="Proxies",
        ),
        multiext("results/tables/proxy_outcomes", ".md", ".tex"),
    log:
        "logs/tabulate_outcomes.log",
    benchmark:
        "logs/benchmarks/tabulate_outcomes.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        hardware=lambda wildcards, input: (
            f"--hardware {input.hardware}" if input.hardware else ""
        ),
        resamples=CONFIG.analysis.bootstrap_resamples,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.proxy_outcomes"),
    shell:
        "python -m trainfree tabulate-outcomes --scores {input.scores}"
        " --benchmark {input.benchmark} {params.hardware} --resamples {params.resamples}"
        " --seed {params.seed} --stem results/tables/proxy_outcomes > {log} 2>&1"


rule plot_proxies:
    input:
        scores=f"results/scores/{{space}}/{{dataset}}/{SETTING_NAME}.h5",
        benchmark="data/benchmarks/{space}.h5",
        proxies="results/tables/proxies.csv",
        pairs="results/tables/proxy_pairs.csv",
        outcomes="results/tables/proxy_outcomes.csv",
    output:
        report(
            expand(
                "results/figures/{name}-{{space}}-{{dataset}}.svg",
                name=PROXY_FIGURES,
            ),
            caption="../reports/captions/proxy_figures.rst",
            category="Proxies",
        ),
        expand(
            "results/figures/{name}-{{space}}-{{dataset}}.png",
            name=PROXY_FIGURES,
        ),
    log:
        "logs/plot_proxies/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/plot_proxies/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.report.proxy_figures"),
    shell:
        "python -m trainfree plot-proxies --scores {input.scores} --benchmark {input.benchmark}"
        " --proxies {input.proxies} --pairs {input.pairs} --outcomes {input.outcomes}"
        " --folder results/figures --suffix {wildcards.space}-{wildcards.dataset} > {log} 2>&1"


rule score_draws:
    input:
        images="data/images/{dataset}.h5",
    output:
        "results/draws/{space}/{dataset}/{drawn}/{shard}.h5",
    log:
        "logs/score_draws/{space}/{dataset}/{drawn}/{shard}.log",
    benchmark:
        "logs/benchmarks/score_draws/{space}/{dataset}/{drawn}/{shard}.tsv"
    wildcard_constraints:
        drawn=DRAWS_NAME,
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=gpus_per_job(CONFIG.scoring.device),
        mem_mb=lambda wildcards: job_memory_mb(STABILITY[wildcards.dataset]),
        runtime=240,
    params:
        range=first_and_last,
        setting=lambda wildcards: STABILITY[wildcards.dataset].json,
        draws=CONFIG.stability.draws,
        device=CONFIG.scoring.device,
        code=lambda wildcards: scoring_code_hash(
            STABILITY[wildcards.dataset], "trainfree.scoring.draws"
        ),
    shell:
        "python -m trainfree score-draws --images {input.images} --draws {params.draws}"
        " --first {params.range[first]} --last {params.range[last]}"
        " --setting {params.setting:q} --device {params.device} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule tabulate_stability:
    input:
        draws=DRAWS_FILES,
    output:
        report(
            "results/tables/proxy_stability.csv",
            caption="../reports/captions/proxy_stability.rst",
            category="Proxies",
        ),
        multiext("results/tables/proxy_stability", ".md", ".tex"),
    log:
        "logs/tabulate_stability.log",
    benchmark:
        "logs/benchmarks/tabulate_stability.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.proxy_stability"),
    shell:
        "python -m trainfree tabulate-stability --draws {input.draws}"
        " --stem results/tables/proxy_stability > {log} 2>&1"


rule plot_stability:
    input:
        draws=lambda wildcards: next(
            path for path in DRAWS_FILES if f"/{wildcards.dataset}/" in path
        ),
        table="results/tables/proxy_stability.csv",
    output:
        report(
            "results/figures/proxy_stability-{space}-{dataset}.svg",
            caption="../reports/captions/proxy_stability.rst",
            category="Proxies",
        ),
        "results/figures/proxy_stability-{space}-{dataset}.png",
    log:
        "logs/plot_stability/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/plot_stability/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=lambda wildcards, output: output[0].removesuffix(".svg"),
        code=code_hash("trainfree.report.proxy_figures"),
    shell:
        "python -m trainfree plot-stability --draws {input.draws} --table {input.table}"
        " --stem {params.stem} > {log} 2>&1"
