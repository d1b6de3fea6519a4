"""Proxies beside each other: the targets ``proxy_tables``, ``proxy_figures``, ``proxy_stability``."""


rule prepare_hardware:
    output:
        HARDWARE,
    log:
        logged("prepare_hardware/{space}.log"),
    benchmark:
        logged("benchmarks/prepare_hardware/{space}.tsv")
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
        "python -m trainfree prepare-hardware --space {wildcards.space:q} --order {params.order:q}"
        " --timeout {params.timeout:q} --cache data/downloads --output {output:q} > {log:q} 2>&1"


rule tabulate_proxies:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
    output:
        report(
            table("proxies.csv"),
            caption="../reports/captions/proxies.rst",
            category="Proxies",
        ),
        report(
            table("proxy_pairs.csv"),
            caption="../reports/captions/proxy_pairs.rst",
            category="Proxies",
        ),
        multiext(table("proxies"), ".md", ".tex", ".json"),
        multiext(table("proxy_pairs"), ".md", ".tex", ".json"),
    log:
        logged("tabulate_proxies.log"),
    benchmark:
        logged("benchmarks/tabulate_proxies.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        stem=stem_of_first,
        pairs=stem_of_second,
        resamples=CONFIG.analysis.bootstrap_resamples,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.proxies.proxies"),
    shell:
        "python -m trainfree tabulate-proxies --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} --resamples {params.resamples:q} --seed {params.seed:q}"
        " --stem {params.stem:q} --pairs {params.pairs:q} > {log:q} 2>&1"


rule tabulate_outcomes:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
        hardware=studies.hardware_file(RUN) or [],
    output:
        report(
            table("proxy_outcomes.csv"),
            caption="../reports/captions/proxy_outcomes.rst",
            category="Proxies",
        ),
        multiext(table("proxy_outcomes"), ".md", ".tex", ".json"),
    log:
        logged("tabulate_outcomes.log"),
    benchmark:
        logged("benchmarks/tabulate_outcomes.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        stem=stem_of_first,
        hardware=lambda wildcards, input: (
            ["--hardware", input.hardware] if input.hardware else []
        ),
        resamples=CONFIG.analysis.bootstrap_resamples,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.proxies.proxy_outcomes"),
    shell:
        "python -m trainfree tabulate-outcomes --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} {params.hardware:q} --resamples {params.resamples:q}"
        " --seed {params.seed:q} --stem {params.stem:q} > {log:q} 2>&1"


rule plot_proxies:
    input:
        scores=SCORES,
        benchmark=ACCURACIES,
        proxies=table("proxies.csv"),
        pairs=table("proxy_pairs.csv"),
        outcomes=table("proxy_outcomes.csv"),
        origins=expand(table("{name}.json"), name=PROXY_TABLES),
    output:
        report(
            expand(
                figure("{name}-{{space}}-{{dataset}}.svg"),
                name=PROXY_FIGURES,
            ),
            caption="../reports/captions/proxy_figures.rst",
            category="Proxies",
        ),
        expand(
            figure("{name}-{{space}}-{{dataset}}{suffix}"),
            name=PROXY_FIGURES,
            suffix=[".png", ".json"],
        ),
    log:
        logged("plot_proxies/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/plot_proxies/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=folder_of_first,
        code=code_hash("trainfree.report.figures.proxies"),
    shell:
        "python -m trainfree plot-proxies --scores {input.scores:q} --benchmark {input.benchmark:q}"
        " --proxies {input.proxies:q} --pairs {input.pairs:q} --outcomes {input.outcomes:q}"
        " --folder {params.folder:q} --suffix {wildcards.space:q}-{wildcards.dataset:q} > {log:q} 2>&1"


rule score_draws:
    input:
        images=IMAGES,
        other=scoring_asked(
            PATHS.draws,
            drawn_setting_of,
            "trainfree.scoring.jobs.draws",
        ),
    output:
        PATHS.draws,
    log:
        logged("score_draws/{space}/{dataset}/{drawn}/{shard}.log"),
    benchmark:
        logged("benchmarks/score_draws/{space}/{dataset}/{drawn}/{shard}.tsv")
    wildcard_constraints:
        drawn=studies.draws_name(RUN),
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=gpus_per_job(CONFIG.scoring.device),
        mem_mb=lambda wildcards: job_memory_mb(drawn_setting_of(wildcards)),
        runtime=240,
    params:
        range=first_and_last,
        setting=lambda wildcards: drawn_setting_of(wildcards).json,
        draws=CONFIG.stability.draws,
        device=CONFIG.scoring.device,
        code=lambda wildcards: scoring_code_hash(
            drawn_setting_of(wildcards), "trainfree.scoring.jobs.draws"
        ),
    shell:
        "python -m trainfree score-draws --images {input.images:q} --draws {params.draws:q}"
        " --first {params.range[first]:q} --last {params.range[last]:q}"
        " --setting {params.setting:q} --device {params.device:q} --threads {threads}"
        " --store data/scores --output {output:q} > {log:q} 2>&1"


rule tabulate_stability:
    input:
        draws=studies.all_draws_files(RUN),
    output:
        report(
            table("proxy_stability.csv"),
            caption="../reports/captions/proxy_stability.rst",
            category="Proxies",
        ),
        multiext(table("proxy_stability"), ".md", ".tex", ".json"),
    log:
        logged("tabulate_stability.log"),
    benchmark:
        logged("benchmarks/tabulate_stability.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.analysis.proxies.proxy_stability"),
    shell:
        "python -m trainfree tabulate-stability --draws {input.draws:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"


rule plot_stability:
    input:
        draws=lambda wildcards: studies.draws_files(RUN, wildcards.dataset)[0],
        table=table("proxy_stability.csv"),
        origin=table("proxy_stability.json"),
    output:
        report(
            figure("proxy_stability-{space}-{dataset}.svg"),
            caption="../reports/captions/proxy_stability.rst",
            category="Proxies",
        ),
        figure("proxy_stability-{space}-{dataset}.png"),
        figure("proxy_stability-{space}-{dataset}.json"),
    log:
        logged("plot_stability/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/plot_stability/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.proxies"),
    shell:
        "python -m trainfree plot-stability --draws {input.draws:q} --table {input.table:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"
