# Everything runs in ./.venv, which `make` creates; PYTHON names the interpreter that creates it.
PYTHON ?= python3
BIN := .venv/bin
# -c pins every version, torch's build among them: an open range would fetch gigabytes of CUDA packages.
# Without --no-compile, pip would compile every module of torch, most of which nobody here imports.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e
USER_STAMP := .venv/.user
STAMP := .venv/.dev

.PHONY: help demo test extras check format bench bench-extras contract engines engines-ray fuzz docs clean
help:
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(USER_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) '.[data]'
	@touch $@

$(STAMP): $(USER_STAMP)
	$(INSTALL) '.[dev]'
	@touch $@

demo: $(USER_STAMP) ## search layouts on real digits, re-train the front, write the report (under 6 minutes on 2 cores)
	$(BIN)/archspec search demo --workers 2
	$(BIN)/archspec report runs/demo

check: $(STAMP) ## format, lint, types, import layers, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

test: check ## every check and every test
	$(BIN)/pytest -n 2

extras: $(STAMP) ## install every extra beside: `make test` then runs what was skipped for want of one
	$(INSTALL) '.[dev,all]'

format: $(STAMP) ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## benchmarks: ratios against named peers, in one run
	$(BIN)/python benchmarks/flops_startup.py
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/budgets.py
	$(BIN)/python benchmarks/front.py
	$(BIN)/python benchmarks/symbolic.py
	$(BIN)/python benchmarks/samplers.py
	$(BIN)/python benchmarks/surrogate.py
	$(BIN)/python benchmarks/conductor.py
	$(BIN)/python benchmarks/repeats.py
	$(BIN)/python benchmarks/repeats.py --covariates
	$(BIN)/python benchmarks/rungs.py
	$(BIN)/python benchmarks/supernet.py --epochs 4
	$(BIN)/python benchmarks/calibration.py
	$(BIN)/python benchmarks/estimates.py --simulate 200

bench-extras: extras ## benchmarks beside timm and ONNX Runtime: the loop, the loader, latency, fine-tuning
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/training.py --profile
	$(BIN)/python benchmarks/loader.py --rounds 2
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/finetuning.py

contract: $(STAMP) ## cost against fvcore on 1,000 random specs, integer for integer
	$(BIN)/python benchmarks/contract.py --specs 1000

engines: $(STAMP) ## the table of faults on this machine, of trainings by several processes, and of a real SLURM where there is one
	$(BIN)/pytest -n 2 -rs tests/engines/slurm_*.py tests/engines/local_*.py tests/engines/ddp_faults.py

engines-ray: $(STAMP) ## the table of faults on a real Ray on this host, with the extra ray; needs root, on Linux
	$(INSTALL) '.[dev,ray]'
	$(BIN)/pytest -n 0 -rs tests/engines/ray_faults.py

clean: ## remove the virtual environment and caches
	rm -rf .venv .ruff_cache .hypothesis .import_linter_cache

fuzz: $(STAMP) ## mutated files, records of runs, and command lines: each is answered, or refused in one line
	$(BIN)/python benchmarks/fuzz.py --files 10000
	$(BIN)/python benchmarks/fuzz_records.py --cases 2000
	$(BIN)/python benchmarks/fuzz_kinds.py --files 5000
	$(BIN)/python benchmarks/fuzz_commands.py --lines 500

docs: $(STAMP) ## regenerate the command-line reference
	$(BIN)/python -m typer --app app archspec.cli.app utils docs --name archspec --title "archspec: the command line" > docs/reference/cli.md
