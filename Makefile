# `make help` lists the targets. The environment is made once in .venv/; after that nothing here needs a network.

PYTHON ?= python3
# One exact build of torch. Where the index serves a build for GPUs (gigabytes) and a small one is wanted, say
#   make demo TORCH_FLAGS="--extra-index-url URL_OF_THE_CPU_WHEELS"   (the URL is on the install page of pytorch.org)
TORCH ?= torch==2.13.0
TORCH_FLAGS ?=
PIP_FLAGS ?= --quiet --disable-pip-version-check --no-input --prefer-binary
ARGS ?=
# How much `make fuzz` tries.
EXAMPLES ?= 3000
# How tests are spread over the processor cores; WORKERS= runs them one after the other.
WORKERS ?= -n logical --maxprocesses 8 --dist loadgroup

BIN := .venv/bin
# Packages are not isolated from setuptools of the environment, so that a repeated install needs no network.
INSTALL := $(BIN)/python -m pip install $(PIP_FLAGS) --no-build-isolation

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo install dev test test-fast test-clients fuzz soak lint check bench report docs docs-test format clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /|/' | \
	while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: .venv/.install  ## set everything up, then transcribe the clips of samples/
	@$(BIN)/llama-speech demo $(ARGS)

install: .venv/.install  ## the environment for using the tool: .venv/bin/llama-speech

dev: .venv/.dev  ## the environment for working on it: tests, peers, training

test: .venv/.dev  ## all tests, with the default Llama and the shipped weights
	@$(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-fast: .venv/.dev  ## tests that need neither a network nor weights
	@$(BIN)/python -m pytest $(WORKERS) -m "not slow and not bundle" $(ARGS)

test-clients: .venv/.clients  ## stock clients against the service: Node clients of OpenAI, LiveKit, Pipecat
	@LLAMA_SPEECH_NODE=.venv/node LLAMA_SPEECH_KITS=.venv/kits/bin/python $(BIN)/python -m pytest \
		tests/llama_speech/service/test_stock_clients.py tests/llama_speech/service/endpoints/test_page.py $(ARGS)

fuzz: .venv/.clients  ## long fuzzing of the service: events, frames, bodies, recordings (EXAMPLES=3000)
	@FUZZ_EXAMPLES=$(EXAMPLES) LLAMA_SPEECH_KITS=.venv/kits/bin/python $(BIN)/python -m pytest $(WORKERS) \
		tests/llama_speech/service/fuzz/test_fuzz_*.py $(ARGS)

soak: .venv/.dev  ## looping sessions for an hour: no answer reaches another, memory stays flat (ARGS="--minutes 5")
	@$(BIN)/python tests/llama_speech/service/soak.py $(ARGS)

lint: .venv/.dev  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## what CI runs: lint, then test

bench: .venv/.dev  ## speed and memory beside peers; the last line is one JSON object
	@$(BIN)/python -m recipes.benchmark $(ARGS)

report: .venv/.dev  ## result tables of README and RESULTS, made again (data: LLAMA_SPEECH_DATA)
	@$(BIN)/python -m recipes.report $(ARGS)

docs: .venv/.dev  ## the documentation as a site, in build/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

docs-test: .venv/.dev  ## the examples of the documentation that take minutes
	@$(BIN)/python -m pytest -m docs tests/test_doc_examples.py $(ARGS)

format: .venv/.dev  ## format the code, and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment and what tools left behind
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created:
	@sh scripts/make-venv "$(PYTHON)"
	@touch $@

# Torch first and alone: a range would let pip take whatever build is newest.
.venv/.install: .venv/.created pyproject.toml
	@echo "Installing torch and the tool into .venv (minutes, once) ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) $(TORCH_FLAGS) "$(TORCH)" "setuptools>=77"
	@$(INSTALL) --editable .
	@touch $@

.venv/.dev: .venv/.install
	@echo "Installing what tests and training need (a minute or two, once) ..."
	@$(INSTALL) --editable ".[serve,eval,train,docs,dev]"
	@touch $@

# The kits bring much along, so they get an environment of their own; npm takes exactly what the lockfile names.
CLIENTS := tests/llama_speech/service/clients
.venv/.clients: .venv/.dev $(CLIENTS)/package-lock.json $(CLIENTS)/requirements.txt
	@echo "Installing the stock clients (a few minutes, once) ..."
	@mkdir -p .venv/node && cp $(CLIENTS)/package.json $(CLIENTS)/package-lock.json .venv/node/
	@npm --prefix .venv/node ci --no-audit --no-fund --ignore-scripts
	@"$(PYTHON)" -m venv .venv/kits
	@.venv/kits/bin/python -m pip install $(PIP_FLAGS) --requirement $(CLIENTS)/requirements.txt
	@touch $@
