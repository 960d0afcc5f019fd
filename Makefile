# Two commands are all you need:  make report   (the report of the demo company)   and   make test.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
AIRFLOW ?= .venv-airflow
STAMP := $(VENV)/.installed
WORKSPACE ?= data/demo
OUT ?= reports
SEEDS ?= 200
LEAK_SEEDS ?= 6
JOBS ?= 2

# One thread per process for BLAS and OpenMP: the same sums on every machine, and no thrashing on a small one.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MPLBACKEND ?= agg
# Compiled modules are a third of every notebook's start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install report test lint format bench fuzz kills same airflow study picture lock audit clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/'

install: $(STAMP) ## the locked environment in .venv

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: python3.11 was not found"; exit 2; }
	@test -x $(BIN)/python || { echo "creating $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@echo "installing requirements.lock (uv where it installs, else pip; a few minutes with pip)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.lock)" || echo "uv is not to be had; going on with pip"
	@{ test -x $(BIN)/uv && $(BIN)/uv pip install -q --python $(BIN)/python -r requirements.lock; } \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 2 $(VENV)/lib healthlib >/dev/null 2>&1 || true
	@touch $@

report: $(STAMP) ## the demo company (or WORKSPACE=folder) through the four notebooks to reports/
	@if [ "$(WORKSPACE)" = data/demo ] && ! ls data/demo/accounts.* >/dev/null 2>&1; then $(BIN)/healthlib demo data/demo; fi
	@$(BIN)/healthlib run $(WORKSPACE) --out $(OUT)

test: $(STAMP) lint ## linter, types, import contracts, every test; two files at a time (JOBS=0: one after the other)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

lint: $(STAMP) ## formatter, linter, type checker, import contracts
	@$(BIN)/ruff format --check -q . || { echo "ruff format: run 'make format'"; exit 1; }
	@$(BIN)/ruff check -q .
	@$(BIN)/ty check -q --python $(VENV)
	@$(BIN)/lint-imports --no-cache >/dev/null || { $(BIN)/lint-imports --no-cache; exit 1; }
	@echo "format, lint, types and import contracts hold"

format: $(STAMP) ## what ruff can mend
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

bench: $(STAMP) ## snapshots, loading, scores, weights, replicates, thresholds, walk-forward, a move in the lab against their peers; a run against its floor, and of 20,000 accounts
	@$(BIN)/python bench/snapshots.py
	@$(BIN)/python bench/loading.py
	@$(BIN)/python bench/scoring.py
	@$(BIN)/python bench/weights.py
	@$(BIN)/python bench/replicates.py
	@$(BIN)/python bench/cuts.py
	@$(BIN)/python bench/walkforward.py
	@$(BIN)/python bench/lab.py
	@$(BIN)/python bench/run_floor.py
	@$(BIN)/python bench/load.py

fuzz: $(STAMP) ## 2,000 broken tables and more (HEALTHLIB_FUZZ=number; HEALTHLIB_FUZZ_FILES=folder of further CSV files)
	@HEALTHLIB_FUZZ=$${HEALTHLIB_FUZZ:-2400} $(BIN)/python -m pytest tests/test_fuzz.py tests/test_fuzz_forms.py

kills: $(STAMP) ## the whole run of a demo company killed at 50 moments (HEALTHLIB_KILLS=number; half an hour)
	@HEALTHLIB_KILLS=$${HEALTHLIB_KILLS:-50} $(BIN)/python -m pytest tests/test_killed.py

same: $(STAMP) ## the demo's report, byte by byte, in other languages, zones, folders, on one processor, and from exports cut on its day (ten runs)
	@HEALTHLIB_SAME=1 $(BIN)/python -m pytest tests/test_same_bytes.py tests/test_reruns.py

airflow: $(STAMP) ## both DAGs of schedules/ run by a real Airflow, in .venv-airflow (200 packages; ten minutes)
	@test -x $(AIRFLOW)/bin/python || $(BIN)/uv venv -q --python $(BIN)/python $(AIRFLOW)
	@$(BIN)/uv pip install -q --python $(AIRFLOW)/bin/python -r schedules/airflow.lock
	@HEALTHLIB_AIRFLOW=$(abspath $(AIRFLOW)/bin/python) $(BIN)/python -m pytest tests/test_schedules.py -k airflow

study: $(STAMP) ## the long planted-truth studies (SEEDS=200: hours; SEEDS=40: a quarter of an hour); write their tables
	@$(BIN)/python study/weights_study.py --seeds $(SEEDS)
	@$(BIN)/python -m study.outlook_study --seeds $(SEEDS)
	@$(BIN)/python study/adopt_study.py --companies $(SEEDS)
	@$(BIN)/python study/scales_study.py
	@$(BIN)/python study/leak_study.py --seeds $(LEAK_SEEDS) --planted $(LEAK_SEEDS)

picture: $(STAMP) ## docs/executive.png from the last report of the demo company
	@chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,1000 --screenshot=docs/executive.png \
	  "file://$$(ls -d $(CURDIR)/$(OUT)/demo/*/executive.html | tail -n 1)" >/dev/null 2>&1

lock: $(STAMP) ## requirements.lock from requirements.in: names and versions only
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate requirements.in -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11.5 --no-header --no-annotate schedules/airflow.in -o schedules/airflow.lock

audit: $(STAMP) ## known vulnerabilities of requirements.lock (fetches pip-audit, asks the advisory database: needs a network)
	@$(BIN)/uv tool run pip-audit --strict --no-deps --disable-pip -r requirements.lock

clean: ## generated reports, caches and the environment
	@rm -rf $(VENV) $(AIRFLOW) .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@find reports -mindepth 1 ! -name .gitkeep -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
