# `make` alone prints the targets. Nothing here needs root, conda, LaTeX or a browser.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

DATASET ?= sample
DATASET_NAME = $(notdir $(or $(realpath $(DATASET)),$(abspath $(DATASET))))
SLOT ?= week
# What a report trains with; the notebooks themselves default to less, to open quickly.
# The synthetic sample is there to show that everything works: less will do for it, too.
SYNTHETIC := $(filter sample,$(DATASET))
EPOCHS ?= $(if $(SYNTHETIC),8,15)
SEEDS ?= 0,1,2
ORIGINS ?= $(if $(SYNTHETIC),2,4)
SWEEP_EPOCHS ?= 3
ABLATION_EPOCHS ?= $(if $(SYNTHETIC),4,8)
# Empty: the notebooks' own defaults.
export MAX_SLOTS EPOCHS SEEDS T_SLOT CLUSTER RUN_NAME TITLE JOBS
export USER_COLUMN ITEM_COLUMN TIME_COLUMN RATING_COLUMN

PYTHON ?= python3
UV_VERSION := 0.13.8
# Trust what the machine trusts, as pip does: some networks bring their own certificates.
export UV_SYSTEM_CERTS ?= 1
ifeq ($(GPU),1)
VENV := .venv-gpu
LOCK := requirements-gpu.lock
else
VENV := .venv
LOCK := requirements.lock
endif
RUN := $(VENV)/bin/python
COMPILE = $(VENV)/bin/uv pip compile -q pyproject.toml --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-header
READY := $(VENV)/.ready

.PHONY: help env data report sweep experiments test lint peers lab readme lock clean

help: ## print the targets, one line each
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  variables: DATASET=sample|ml-100k|…|path  SLOT=hour|day|week|month|quarter|year|7d"
	@echo "             MAX_SLOTS EPOCHS SEEDS T_SLOT CLUSTER GPU=1 JOBS  USER_COLUMN ITEM_COLUMN TIME_COLUMN RATING_COLUMN"

env: $(READY) ## set up the environment (the other targets do it by themselves)

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1); expected Python 3.11, 3.12 or 3.13: call make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) from $(LOCK) (once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --require-hashes --compile-bytecode -r $(LOCK)
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps --no-build-isolation -e .
	@touch $@

data: $(READY) ## preprocess DATASET into slots of SLOT and print a summary
	@$(RUN) -m lib data --dataset "$(DATASET)" --slot "$(SLOT)"

report: $(READY) ## run the notebooks 01–06 and build report/<dataset>-<slot>/report.pdf and .html
	@$(RUN) -m lib report --dataset "$(DATASET)" --slot "$(SLOT)" \
	  -p ORIGINS "$(ORIGINS)" -p SWEEP_EPOCHS "$(SWEEP_EPOCHS)" \
	  -p ABLATION_EPOCHS "$(ABLATION_EPOCHS)" $(if $(SWEEP),-p SWEEP "$(SWEEP)")

sweep: $(READY) ## run the named runs of RUNS=report/runs.yaml, in parallel
	@$(RUN) -m lib sweep "$(or $(RUNS),report/runs.yaml)"

EXPERIMENTS = experiments-$(DATASET_NAME)-$(shell echo "$(SLOT)" | tr A-Z a-z)
experiments: $(READY) ## train every combination of GRID=report/experiments.yaml and show what matters
	@$(RUN) -m lib sweep "$(or $(GRID),report/experiments.yaml)" --notebooks notebooks/experiments \
	  --dataset "$(DATASET)" --slot "$(SLOT)"
	@env -u EPOCHS -u SEEDS -u T_SLOT $(RUN) -m lib report --notebooks notebooks/experiments \
	  --dataset "$(DATASET)" --slot "$(SLOT)" --run-name "$(EXPERIMENTS)" \
	  --title "Experiments: $(DATASET_NAME)"

test: $(READY) lint ## check the style, run every test and every notebook
	@POPULARITY_OUTPUT=$$(mktemp -d) && export POPULARITY_OUTPUT && \
	  $(RUN) -m pytest -n auto --nbval-lax --nbval-current-env \
	  notebooks/*.ipynb notebooks/*/*.ipynb tests; \
	  status=$$?; rm -rf "$$POPULARITY_OUTPUT"; exit $$status

lint: $(READY) ## check the style only
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

PEERS := benchmarks/peers/.venv
$(PEERS)/.ready: benchmarks/peers/requirements.lock
	@echo "setting up $(PEERS): statsforecast and neuralforecast (once)"
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/pip install --quiet torch==2.13.0
	@$(PEERS)/bin/pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

peers: data $(PEERS)/.ready ## score statsforecast and neuralforecast on the same cut-offs
	@$(PEERS)/bin/python -m benchmarks.peers --dataset "$(DATASET)" --slot "$(SLOT)" \
	  --origins "$(ORIGINS)"

lab: $(READY) ## open JupyterLab in the project's environment
	@$(RUN) -m jupyterlab --notebook-dir=notebooks

readme: $(READY) ## put the results of the stored runs into README.md
	@$(RUN) -m lib.readme

lock: $(READY) ## pin pyproject.toml's dependencies again (needs the network)
	$(COMPILE) --extra test --extra cpu -o requirements.lock
	$(COMPILE) --extra test --extra gpu -o requirements-gpu.lock

clean: ## delete everything the project made except downloads, stored results and the environment
	rm -rf data/processed figures/*-* report/*/notebooks report/*/.state report/*/report.pdf report/*/report.html
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

# Small networks for the sample, those of the other reports for real data.
QUICK ?= $(if $(SYNTHETIC),true,false)
MODEL_OPTIONS = --dataset "$(DATASET)" $(if $(MODEL),--model "$(MODEL)")

.PHONY: recommenders menu evaluate

# One notebook at a time, unless JOBS says more: they compare the seconds that fits take.
recommenders: $(READY) ## run the recommenders' notebooks and build report/recommenders-<dataset>/
	@env -u EPOCHS -u SEEDS -u T_SLOT $(RUN) -m lib report --notebooks notebooks/recommenders \
	  --dataset "$(DATASET)" --run-name "$(or $(RUN_NAME),recommenders-$(DATASET_NAME))" \
	  --title "$(or $(TITLE),Recommending movies: $(DATASET_NAME))" -p QUICK "$(QUICK)" \
	  $(if $(filter false,$(QUICK)),-p LEAK true -p CELLS "gru lstm") \
	  $(if $(filter-out file,$(origin SEEDS)),-p SEEDS "$(SEEDS)") --jobs "$(or $(JOBS),1)"

menu: $(READY) ## recommend movies in the terminal, question by question (MODEL=… for another model)
	@$(RUN) -m lib.recommenders menu $(MODEL_OPTIONS)

evaluate: $(READY) ## print the RMSE of a rating model on training, test and all rows
	@$(RUN) -m lib.recommenders rmse $(MODEL_OPTIONS)
