# Set up, run, test. `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help install run check test test-all lint docs viz mlflow lock clean

export DO_NOT_TRACK := true

# The first interpreter of these that starts and is of a supported version; PYTHON=/path/to/python overrides.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
ENV ?= local
STAMP := $(VENV)/.installed
DOCS := $(VENV)/.installed-docs
# Two processes of one thread each: libraries that take both cores for themselves would stand in each other's way.
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 15
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "lesion-fusion needs Python 3.11, 3.12 or 3.13; name one with PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) '.[viz,dev]'
	@touch $@

$(DOCS): $(STAMP)
	$(PIP) '.[docs]'
	@touch $@

install: $(STAMP) ## make the virtual environment with the locked dependencies

run: $(STAMP) ## all stages on the synthetic cohort (ENV=breast_lesions_usg: on the real one)
	$(BIN)/kedro run --env $(ENV)

check: lint ## linter, type checker and the tests that take under a second each
	$(PYTEST) -m "not medium and not slow"

test: lint ## the same, with the tests that take seconds
	$(PYTEST) -m "not slow"

test-all: $(STAMP) ## the tests that `make test` leaves out: whole runs, servers, other backends
	$(PYTEST) -m slow

lint: $(STAMP) ## linter and type checker alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS) ## the documentation as a site in build/docs, which needs no network to read
	$(BIN)/python docs/reference/generate.py
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . build/docs
	! grep -rE --include='*.html' '<(script|link|img|iframe)[^>]+(src|href)="https?:' build/docs

viz: $(STAMP) ## the lineage in a browser
	$(BIN)/kedro viz run --env $(ENV)

mlflow: $(STAMP) ## runs, models and registry in a browser
	PATH="$(abspath $(BIN)):$$PATH" kedro mlflow ui --env $(ENV)

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-emit-index-url --no-annotate --no-header \
		--upgrade pyproject.toml --output-file requirements.lock

clean: ## remove what runs made; published data in data/01_raw stays
	rm -rf mlflow.db mlartifacts data/.seconds.json
	find data -mindepth 2 -not -path 'data/01_raw/*' -not -name .gitkeep -delete
