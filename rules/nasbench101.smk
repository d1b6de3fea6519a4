"""NAS-Bench-101, and how accuracy lies in a space; only on request, since no registry has it."""


ruleorder: prepare_nasbench101 > prepare_benchmark


rule enumerate_nasbench101:
    output:
        "data/spaces/nasbench101.h5",
    log:
        logged("enumerate_nasbench101.log"),
    benchmark:
        logged("benchmarks/enumerate_nasbench101.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_hash("trainfree.spaces.nasbench101.cells_file"),
    shell:
        "python -m trainfree enumerate-nasbench101 --output {output:q} > {log:q} 2>&1"


rule prepare_nasbench101:
    input:
        nasbench101_source,
    output:
        "data/benchmarks/nasbench101.h5",
    log:
        logged("prepare_benchmark/nasbench101.log"),
    benchmark:
        logged("benchmarks/prepare_benchmark/nasbench101.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_hash("trainfree.benchmarks.nasbench101.prepared"),
    shell:
        "python -m trainfree prepare-nasbench101 --source {input:q} --output {output:q} > {log:q} 2>&1"


rule prepare_landscape:
    input:
        "data/benchmarks/{analysed}.h5",
    output:
        "data/landscapes/{analysed}.h5",
    log:
        logged("prepare_landscape/{analysed}.log"),
    benchmark:
        logged("benchmarks/prepare_landscape/{analysed}.tsv")
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
        "python -m trainfree prepare-landscape --benchmark {input:q} --walks {params.walks:q}"
        " --steps {params.steps:q} --seed {params.seed:q} --output {output:q} > {log:q} 2>&1"


rule tabulate_landscape:
    input:
        benchmark="data/benchmarks/{analysed}.h5",
        landscape="data/landscapes/{analysed}.h5",
        published_landscape=relative(
            BASE / "reports" / "published" / "landscape" / "nasbench101.yaml"
        ),
    output:
        table_files("landscape-{analysed}"),
    log:
        logged("tabulate_landscape/{analysed}.log"),
    benchmark:
        logged("benchmarks/tabulate_landscape/{analysed}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        files=table_options,
        settings=TABLES.settings(declared_tables()["landscape"]),
        folder=folder_of_first,
        code=code_hash(
            declared_tables()["landscape"].module, "trainfree.analysis.registry"
        ),
    shell:
        "python -m trainfree tabulate landscape-{wildcards.analysed:q} {params.files:q}"
        " --settings {params.settings:q} --folder {params.folder:q} > {log:q} 2>&1"


rule tabulate_nasbench101:
    input:
        scores=nasbench101_scores,
        searches=studies.nasbench101_searches(RUN),
        benchmark="data/benchmarks/nasbench101.h5",
        published=relative(
            BASE / "reports" / "published" / "nasbench101" / "naswot.yaml"
        ),
    output:
        table_files("nasbench101_{printed}"),
    log:
        logged("tabulate_nasbench101/{printed}.log"),
    benchmark:
        logged("benchmarks/tabulate_nasbench101/{printed}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        files=table_options,
        settings=TABLES.settings(declared_tables()["comparison"]),
        folder=folder_of_first,
        code=code_hash(
            declared_tables()["comparison"].module, "trainfree.analysis.registry"
        ),
    shell:
        "python -m trainfree tabulate nasbench101_{wildcards.printed:q} {params.files:q}"
        " --settings {params.settings:q} --folder {params.folder:q} > {log:q} 2>&1"
