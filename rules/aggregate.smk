"""Tables from stored scores and searches, one rule a declared table; nothing here needs torch.

Which tables there are, and what each is made from, is declared in trainfree.analysis. They come
before figures: the summary waits for them, and the report for that. The longest are first.
"""

for TABLE in TABLES.with_a_rule:

    rule:
        name:
            f"tabulate_{TABLE.name}"
        input:
            unpack(partial(table_inputs, TABLE)),
        output:
            report(
                [path for path in TABLES.files_of(TABLE) if path.endswith(".csv")],
                caption=caption_of(TABLE),
                category=TABLE.place.section.capitalize(),
            ),
            [path for path in TABLES.files_of(TABLE) if not path.endswith(".csv")],
        log:
            logged(f"tabulate_{TABLE.name}.log"),
        benchmark:
            logged(f"benchmarks/tabulate_{TABLE.name}.tsv")
        priority: 20 if "scores" in TABLE.reads else 10
        group:
            TABLE.target
        conda:
            "../envs/trainfree.yaml"
        threads: 1
        resources:
            mem_mb=TABLE.memory_mb,
            runtime=TABLE.minutes,
        params:
            names=TABLE.names_of(TABLES.papers),
            files=table_options,
            settings=TABLES.settings(TABLE),
            folder=folder_of_first,
            code=code_hash(TABLE.module, "trainfree.analysis.registry"),
        shell:
            "python -m trainfree tabulate {params.names:q} {params.files:q}"
            " --settings {params.settings:q} --folder {params.folder:q} > {log:q} 2>&1"
