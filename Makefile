# `make` alone prints the targets. Nothing here needs root, conda, LaTeX or a browser.
# A thin front: what people type after a target is data. It is taken as it stands, goes
# to Python in the environment, and no recipe, condition or function here expands it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
$(foreach name,$(.VARIABLES),$(if $(filter command line,$(origin $(name))),\
  $(eval override export $(name) := $$(value $(name)))))

# Trust what the machine trusts, as pip does: some networks bring their own certificates.
export UV_SYSTEM_CERTS ?= 1
ifeq ($(value GPU),1)
override VENV := .venv-gpu
override LOCK := requirements-gpu.lock
else
override VENV := .venv
override LOCK := requirements.lock
endif
override RUN := $(VENV)/bin/python
override READY := $(VENV)/.ready
override PEERS := benchmarks/peers/.venv
override COMPILE := $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-header

.PHONY: help env data report forecast sweep experiments recommenders menu recommend-all
.PHONY: evaluate peers
.PHONY: test lint lab readme lock clean

help: ## print the targets, one line each
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  variables: DATASET=sample|ml-100k|…|path  SLOT=hour|day|week|month|quarter|year|7d"
	@echo "             MAX_SLOTS EPOCHS SEEDS T_SLOT ORIGINS SWEEP CLUSTER JOBS RUN_NAME TITLE GPU=1"
	@echo "             USER_COLUMN ITEM_COLUMN TIME_COLUMN RATING_COLUMN ITEM_NAME  QUICK MODEL RUNS GRID HORIZON"

env: $(READY) ## set up the environment (the other targets do it by themselves)

$(READY): $(LOCK) requirements-uv.lock pyproject.toml
	@"$${PYTHON:-python3}" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "expected Python 3.11, 3.12 or 3.13: call make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) from $(LOCK) (once)"
	@"$${PYTHON:-python3}" -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --require-hashes --compile-bytecode -r $(LOCK)
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps --no-build-isolation -e .
	@touch $@

data: $(READY) ## preprocess DATASET into slots of SLOT and print a summary
	@$(RUN) -m lib data

report: $(READY) ## run the notebooks 01–06 and build report/<dataset>-<slot>/report.pdf and .html
	@$(RUN) -m lib report

forecast: $(READY) ## forecast the next HORIZON=1…12 slots into report/<dataset>-<slot>/forecast.csv (MODEL=last: no training)
	@$(RUN) -m lib forecast

sweep: $(READY) ## run the named runs of RUNS=report/runs.yaml, in parallel
	@$(RUN) -m lib sweep

experiments: $(READY) ## train every combination of GRID=report/experiments.yaml and show what matters
	@$(RUN) -m lib experiments

# One notebook at a time, unless JOBS says more: they compare the seconds that fits take.
recommenders: $(READY) ## run the recommenders' notebooks and build report/recommenders-<dataset>/
	@$(RUN) -m lib recommenders

menu: $(READY) ## recommend movies in the terminal, question by question (MODEL=… for another model)
	@$(RUN) -m lib menu

recommend-all: $(READY) ## write ten recommendations for every user as one Parquet file
	@$(RUN) -m lib recommend-all

evaluate: $(READY) ## print the RMSE of a rating model on training, test and all rows
	@$(RUN) -m lib evaluate

test: $(READY) lint ## check the style, run every test and every notebook
	@POPULARITY_OUTPUT=$$(mktemp -d) && export POPULARITY_OUTPUT && \
	  $(RUN) -m pytest -n auto --nbval-lax --nbval-current-env \
	  notebooks/*.ipynb notebooks/*/*.ipynb tests; \
	  status=$$?; rm -rf "$$POPULARITY_OUTPUT"; exit $$status

lint: $(READY) ## check style and types only
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ty check --output-format concise

$(PEERS)/.ready: benchmarks/peers/torch.lock benchmarks/peers/requirements.lock
	@echo "setting up $(PEERS): statsforecast and neuralforecast (once)"
	@"$${PYTHON:-python3}" -m venv --clear $(PEERS)
	@$(PEERS)/bin/pip install --quiet --require-hashes -r benchmarks/peers/torch.lock
	@$(PEERS)/bin/pip install --quiet --no-deps --require-hashes -r benchmarks/peers/requirements.lock
	@touch $@

peers: data $(PEERS)/.ready ## score statsforecast and neuralforecast on the same cut-offs
	@$(PEERS)/bin/python -m benchmarks.peers

lab: $(READY) ## open JupyterLab in the project's environment
	@$(RUN) -m jupyterlab --ip=127.0.0.1 --ServerApp.root_dir=. notebooks/01_preprocess.ipynb

readme: $(READY) ## put the results of the stored runs into README.md
	@$(RUN) -m lib readme

lock: $(READY) ## pin pyproject.toml's dependencies again (needs the network)
	$(COMPILE) pyproject.toml --extra test --extra cpu -o requirements.lock
	$(COMPILE) pyproject.toml --extra test --extra gpu -o requirements-gpu.lock
	echo uv | $(COMPILE) - -o requirements-uv.lock
	echo torch==2.13.0 | $(COMPILE) --no-annotate -c benchmarks/peers/requirements.lock - -o benchmarks/peers/torch.lock

clean: ## delete everything the project made except downloads, stored results and the environment
	rm -rf data/processed figures/*-* report/*/notebooks report/*/.state report/*/report.pdf report/*/report.html
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
