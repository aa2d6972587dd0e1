# Every target installs what it needs into .venv, and again when the requirements change.
# PYTHON=python3.12 creates it with another Python; TORCH=cpu installs PyTorch's CPU build, which is smaller on Linux.
PYTHON ?= python3
TORCH ?=
BIN := .venv/bin
DEMO := .venv/.demo
ENV := .venv/.dev
SET_UP := $(PYTHON) tools/set_up.py
CPU := $(if $(filter cpu,$(TORCH)),--cpu)
TEST_WORKERS ?= 2

.PHONY: demo test test-all mutants lint format bench pages parity pictures results clean

$(DEMO): pyproject.toml constraints.txt
	@$(SET_UP) demo $(CPU)

$(ENV): pyproject.toml constraints.txt
	@$(SET_UP) dev $(CPU)

demo: $(DEMO)           ## train LeNet-5 on handwritten digits
	@$(BIN)/python examples/convolutional/digits_lenet.py $(DEMO_FLAGS)

test: $(ENV)            ## the suite: every component in both bodies, every example, every command of the pages
	$(BIN)/python -m pytest -n $(TEST_WORKERS) -m "not slow" --durations 20

test-all: $(ENV)        ## the long tests as well
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --durations 20

mutants: $(ENV)         ## change the source in a hundred small ways and show that the suite notices each change
	$(BIN)/python -m tools mutants

lint: $(ENV)            ## style, types, and generated pages up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools pages --check

format: $(ENV)         ## fix style automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pages: $(ENV)           ## write the generated tables of README, docs/ and examples/README.md
	$(BIN)/python -m tools pages

parity: $(ENV)          ## measure the largest difference of every component from its oracle, into docs/parity.json
	$(BIN)/python -m pytest -n $(TEST_WORKERS) -k "not bfloat16" --parity-table docs/parity.json

pictures: $(ENV)        ## draw README's pictures by running the examples
	$(BIN)/python -m tools pictures

bench: $(ENV)           ## time and memory relative to PyTorch's and others', into benchmarks/results.md; ONLY=name for some rows
	$(BIN)/python -m benchmarks $(ONLY)

results: $(ENV)         ## run the examples that have no result yet; an interrupted run continues
	$(BIN)/python -m tools results
	$(BIN)/python -m tools pages

clean:
	rm -rf .venv build *.egg-info src/*.egg-info .mypy_cache .ruff_cache
