# make run    everything on real data: environment, downloads, scores, searches, tables, report
# make test   what checks and tests need into the same environment, then all of them
# make test-slurm   one run on Debian's Slurm, installed and started for it (root, minutes)
# make docs   the documentation, into site/ (opens from disk: site/index.html)
# make bench  speed of the scoring engine and of torch modules against plain references, and their memory
# make bench-gpu   speed and agreement on a GPU in under 4 minutes; needs torch and triton, not the environment
# make kills   20 runs killed at random moments, and what the next run makes of it
# make damage  300 random damages to stored files, read by every command that reads them
# make paper        the papers' settings in full (hours without a GPU)
# make paper-tables copy that run's tables to reports/measured, for the repository
# make nasbench101-tables, make agreement-table, make proxy-tables, make field-tables, make study-tables, make sharing-tables, make sizes-table, make spaces-tables, make zoo-table   the same for runs of their own
# make scores-file  copy the scores of all finished runs into the file that comes with the package
# make clean  forget results and compiled code (not data, not the environment)

PYTHON ?= python3
CORES ?= all
PAPER := config/paper.yaml
VENV := .venv
BIN := $(VENV)/bin
# What a run needs, and what checks, tests, documentation and zoos need besides, in one environment.
READY := $(VENV)/.ready
DEV := $(VENV)/.ready-dev
CONSTRAINTS := requirements/constraints.txt
INSTALL = python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
# The environment's own programs come first, whatever is activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run paper paper-tables nasbench101-tables agreement-table proxy-tables field-tables study-tables sharing-tables sizes-table spaces-tables zoo-table scores-file test pytest test-slurm lint docs bench bench-gpu damage kills constraints clean

run: $(READY)
	@snakemake --cores $(CORES) --quiet rules
	@echo
	@cat results/default/tables/summary.txt
	@echo
	@echo "report: $(CURDIR)/results/default/report/index.html"

paper: $(READY)
	@snakemake --cores $(CORES) --configfile $(PAPER) --quiet rules
	@cat results/paper/tables/summary.txt

paper-tables: $(READY)
	@python -m trainfree publish-tables --configfile $(PAPER)
	@python -m trainfree publish-scores results/paper

# The runs whose scores come with the package, those that are there; BENCHMARKS adds accuracies.
SCORED ?= $(wildcard $(addprefix results/,paper proxies field nats-sss spaces nasbench101)/scores)

scores-file: $(READY)
	@python -m trainfree publish-scores $(SCORED:/scores=) $(if $(BENCHMARKS),--benchmarks $(BENCHMARKS))

NB101 := snakemake nasbench101 nasbench101_scores --configfile config/nasbench101.yaml

nasbench101-tables: $(READY)
	@$(NB101) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table nasbench101_naswot_table1 nasbench101_naswot_figure3 \
		nasbench101_naswot_figure3_first --command "$(NB101)" --results results/nasbench101 --scores results/nasbench101/scores/nasbench101/cifar10/*.h5 \
		--benchmark data/benchmarks/nasbench101.h5
	@python -m trainfree publish-table landscape-nasbench101 --command "$(NB101)" --results results/nasbench101 \
		--benchmark data/benchmarks/nasbench101.h5

agreement-table: $(READY)
	@snakemake proxy_agreement --cores $(CORES) --quiet rules
	@python -m trainfree publish-table proxy_agreement --command "snakemake proxy_agreement" \
		--scores results/default/scores/nasbench201/cifar10/b64-pytorch-images-s*-n*.h5 \
		--benchmark data/benchmarks/nasbench201.h5

PROXIES := snakemake proxy_tables proxy_figures proxy_stability --configfile config/proxies.yaml

proxy-tables: $(READY)
	@$(PROXIES) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table proxies proxy_pairs proxy_outcomes proxy_stability top \
		--command "$(PROXIES)" --results results/proxies --scores results/proxies/scores/nasbench201/cifar10/b64-pytorch-images-s0-n1000.h5 \
		--benchmark data/benchmarks/nasbench201.h5
	@python -m trainfree publish-scores results/proxies

FIELD := snakemake field_tables --configfile config/field.yaml

field-tables: $(READY)
	@$(FIELD) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table field_vkdnw field_aznas field_zerocost field_methods field_scoreboard \
		--command "$(FIELD)" --results results/field --scores results/field/scores/nasbench201/*/*.h5 \
		--benchmark data/benchmarks/nasbench201.h5
	@python -m trainfree publish-scores results/field

STUDIES := snakemake learned pareto --config "learned={subset: reachable, draws: 20}"

study-tables: $(READY)
	@$(STUDIES) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table learned pareto limits --command '$(STUDIES)' \
		--results results/default --scores results/default/scores/nasbench201/cifar10/b32-pytorch-images-s0.h5 \
		--benchmark data/benchmarks/nasbench201.h5

SHARING := snakemake weight_sharing --configfile config/weight_sharing.yaml

sharing-tables: $(READY)
	@$(SHARING) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table weight_sharing weight_sharing_ranking --command "$(SHARING)" \
		--results results/weight_sharing --scores results/weight_sharing/scores/nasbench201/cifar10/*.h5 \
		--benchmark data/benchmarks/nasbench201.h5

SIZES := snakemake --configfile config/nats_sss.yaml

sizes-table: $(READY)
	@$(SIZES) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table naswot_table2b --command "$(SIZES)" --results results/nats-sss \
		--scores results/nats-sss/scores/nats_sss/*/*.h5 --benchmark data/benchmarks/nats_sss.h5
	@python -m trainfree publish-scores results/nats-sss

SPACES := snakemake spaces --configfile config/spaces.yaml

spaces-tables: $(DEV)
	@$(SPACES) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table spaces space_ranks --command "$(SPACES)" --results results/spaces \
		--scores results/spaces/scores/*/*/*.h5 \
		--benchmark $$(for space in results/spaces/scores/*; do echo data/benchmarks/$$(basename $$space).h5; done)
	@python -m trainfree publish-scores results/spaces

ZOO := snakemake zoo --configfile config/zoo.yaml

zoo-table: $(DEV)
	@$(ZOO) --cores $(CORES) --quiet rules
	@python -m trainfree publish-table zoo --command "$(ZOO)" --results results/zoo \
		--scores results/zoo/scores/*/*/*.h5 --benchmark data/benchmarks/zoo_pytorchcv_cifar10.h5 data/benchmarks/zoo_pytorchcv_cifar100.h5

# Checks of the code take one core for a minute: beside the tests they cost half of that.
test: $(DEV)
	@$(MAKE) --no-print-directory --jobs=2 lint pytest

pytest: $(DEV)
	@pytest -n 2 --dist loadgroup

test-slurm: $(DEV)
	@apt-get install -y --no-install-recommends slurm-wlm slurm-client munge
	@pytest -m slurm

lint: $(DEV)
	@ruff check .
	@ruff format --check .
	@snakefmt --check Snakefile rules
	@mypy
	@snakemake --lint --configfile config/test.yaml

$(READY): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "trainfree needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version)." \
		"Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) -e .
	@touch $@

$(DEV): $(READY)
	@echo "adding to $(VENV) what checks, tests and documentation need (once; about a minute)"
	@$(INSTALL) -e ".[dev]"
	@touch $@

docs: $(DEV)
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "documentation: $(CURDIR)/site/index.html"

bench: $(DEV)
	@python benchmarks/engine.py
	@python benchmarks/modules.py

bench-gpu:
	@$(PYTHON) benchmarks/gpu.py

damage: $(DEV)
	@python benchmarks/damage.py

kills: $(DEV)
	@python benchmarks/kills.py

constraints: $(DEV)
	@{ head -2 $(CONSTRAINTS); python -m pip freeze --exclude-editable | sed 's/+cpu//'; } \
		> $(CONSTRAINTS).new && mv $(CONSTRAINTS).new $(CONSTRAINTS)

clean:
	rm -rf results logs data/scores .snakemake site
	find src -name '*.nb[ci]' -delete
