# Everything a newcomer needs is `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SHARED_BY_BENCHMARKS := measure real_pairs saved_models scene soil_library story_data product_readers viewer
BENCHMARKS := $(filter-out $(SHARED_BY_BENCHMARKS:%=benchmarks/%.py),$(wildcard benchmarks/*.py))

.PHONY: demo test check docs bench clean

demo: $(VENV)/installed  ## set up, run the main job on the sample data, say where the results lie
	$(BIN)/geosoil demo

test: $(VENV)/installed-dev  ## all tests, examples in docstrings and README included
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check: $(VENV)/installed-dev  ## style, types, architecture
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

docs: $(VENV)/installed  ## the documentation site, in build/site; runs its notebooks
	$(PIP) --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/installed-dev  ## every claim of speed and accuracy; takes half an hour and 10 GB of disk
	$(PIP) --editable '.[bench]'
	status=0; for claim in $(BENCHMARKS); do $(BIN)/python $$claim || status=1; done; exit $$status

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) geosoil-demo build *.egg-info
