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


rule plot_proxies:
    input:
        scores=SCORES,
        benchmark=ACCURACIES,
        proxies=table("proxies.csv"),
        pairs=table("proxy_pairs.csv"),
        outcomes=table("proxy_outcomes.csv"),
        top=table("top.csv"),
        origins=expand(table("{name}.json"), name=TABLES.names("proxy_tables")),
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
        " --top {input.top:q}"
        " --folder {params.folder:q} --suffix {wildcards.space:q}-{wildcards.dataset:q} > {log:q} 2>&1"


rule score_draws:
    input:
        images=IMAGES,
        members=members_of,
        other=scoring_asked(
            PATHS.draws,
            drawn_setting_of,
            "trainfree.scoring.jobs.draws",
            CONFIG.scoring.precision,
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
    threads: DEVICES.threads(drawn_setting_of)
    resources:
        gpu=DEVICES.gpus(drawn_setting_of),
        precision=CONFIG.scoring.precision,
        gpu_memory=str(CONFIG.scoring.gpu_memory),
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=DEVICES.memory_mb(drawn_setting_of),
        runtime=240,
    params:
        range=first_and_last,
        setting=lambda wildcards: drawn_setting_of(wildcards).json,
        draws=CONFIG.stability.draws,
        device=CONFIG.scoring.device,
        torch_threads=DEVICES.torch_threads(drawn_setting_of),
        code=lambda wildcards: scoring_code_hash(
            drawn_setting_of(wildcards), "trainfree.scoring.jobs.draws"
        ),
    shell:
        "python -m trainfree score-draws --images {input.images:q} --draws {params.draws:q}"
        " --first {params.range[first]:q} --last {params.range[last]:q}"
        " --setting {params.setting:q} --device {params.device:q}"
        " --threads {params.torch_threads:q} --helpers {threads} --precision {resources.precision:q}"
        " --gpu-memory {resources.gpu_memory:q} --jobs-per-gpu {resources.jobs_per_gpu:q}"
        " --store data/scores --output {output:q} > {log:q} 2>&1"


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
