# Every target sets up what it needs of .venv, again when the requirements change, and does nothing twice.
# PYTHON=python3.12 makes it with another Python; TORCH=cpu takes PyTorch's CPU build, which is smaller on Linux.
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

mutants: $(ENV)         ## change the source in a hundred small ways, and show that the suite notices each
	$(BIN)/python tools/mutants.py

lint: $(ENV)            ## style, types, and generated pages up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/readme.py --check

format: $(ENV)         ## style, mended where it can be
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pages: $(ENV)           ## write README's tables and docs/components.md anew
	$(BIN)/python tools/readme.py

parity: $(ENV)          ## how far every component is from its oracle, into docs/parity.json
	$(BIN)/python -m pytest -n $(TEST_WORKERS) -k "not bfloat16" --parity-table docs/parity.json

pictures: $(ENV)        ## README's pictures, from the examples that draw them
	$(BIN)/python tools/pictures.py

bench: $(ENV)           ## ratios against PyTorch's own, into benchmarks/results.md; ONLY=name for some rows
	$(BIN)/python -m benchmarks $(ONLY)

results: $(ENV)         ## run what examples/README.md has not measured yet; may be stopped and goes on
	$(BIN)/python tools/results.py

clean:
	rm -rf .venv build *.egg-info src/*.egg-info .mypy_cache .ruff_cache
