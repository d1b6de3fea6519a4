"""NAS-Bench-101, and how accuracy lies in a space; only on request, since no registry has it."""


ruleorder: prepare_nasbench101 > prepare_benchmark


rule enumerate_nasbench101:
    output:
        "data/spaces/nasbench101.h5",
    log:
        "logs/enumerate_nasbench101.log",
    benchmark:
        "logs/benchmarks/enumerate_nasbench101.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_hash("trainfree.spaces.nasbench101.cells_file"),
    shell:
        "python -m trainfree enumerate-nasbench101 --output {output} > {log} 2>&1"


rule prepare_nasbench101:
    input:
        nasbench101_source,
    output:
        "data/benchmarks/nasbench101.h5",
    log:
        "logs/prepare_benchmark/nasbench101.log",
    benchmark:
        "logs/benchmarks/prepare_benchmark/nasbench101.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_hash("trainfree.benchmarks.nasbench101.prepared"),
    shell:
        "python -m trainfree prepare-nasbench101 --source {input} --output {output} > {log} 2>&1"


rule prepare_landscape:
    input:
        "data/benchmarks/{analysed}.h5",
    output:
        "data/landscapes/{analysed}.h5",
    log:
        "logs/prepare_landscape/{analysed}.log",
    benchmark:
        "logs/benchmarks/prepare_landscape/{analysed}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        walks=2000,
        steps=400,
        seed=CONFIG.seed,
        code=code_hash("trainfree.benchmarks.landscape"),
    shell:
        "python -m trainfree prepare-landscape --benchmark {input} --walks {params.walks}"
        " --steps {params.steps} --seed {params.seed} --output {output} > {log} 2>&1"


rule tabulate_landscape:
    input:
        benchmark="data/benchmarks/{analysed}.h5",
        landscape="data/landscapes/{analysed}.h5",
        published=relative(
            BASE / "reports" / "published" / "landscape" / "nasbench101.yaml"
        ),
    output:
        multiext("results/tables/landscape-{analysed}", ".csv", ".md", ".tex"),
    log:
        "logs/tabulate_landscape/{analysed}.log",
    benchmark:
        "logs/benchmarks/tabulate_landscape/{analysed}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        resamples=CONFIG.analysis.bootstrap_resamples,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.landscape"),
    shell:
        "python -m trainfree tabulate-landscape --benchmark {input.benchmark}"
        " --landscape {input.landscape} --published {input.published}"
        " --resamples {params.resamples} --seed {params.seed}"
        " --stem results/tables/landscape-{wildcards.analysed} > {log} 2>&1"


rule tabulate_nasbench101:
    input:
        scores=nasbench101_scores,
        searches=expand(
            "results/search/nasbench101/cifar10/{search}.h5",
            search=CONFIG.nasbench101.plans(),
        ),
        benchmark="data/benchmarks/nasbench101.h5",
        published=relative(
            BASE / "reports" / "published" / "nasbench101" / "naswot.yaml"
        ),
    output:
        multiext("results/tables/nasbench101_{printed}", ".csv", ".md", ".tex"),
    log:
        "logs/tabulate_nasbench101/{printed}.log",
    benchmark:
        "logs/benchmarks/tabulate_nasbench101/{printed}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=CONFIG.table_settings_json,
        code=code_hash("trainfree.analysis.comparison"),
    shell:
        "python -m trainfree tabulate nasbench101_{wildcards.printed} --scores {input.scores}"
        " --searches {input.searches} --benchmark {input.benchmark} --published {input.published}"
        " --settings {params.settings:q} --folder results/tables > {log} 2>&1"
