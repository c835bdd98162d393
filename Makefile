# Two commands for a newcomer: `make demo` and `make test`. Both make `.venv` first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-fast lint clean

demo: .venv/.installed
	$(BIN)/sketchkit data sample data/sample $(SAMPLE)
	$(BIN)/sketchkit train configs/sketchygan_demo.py --auto-resume $(OPTIONS)

test: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-fast: .venv/.installed
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m "not slow"

lint: .venv/.installed
	$(BIN)/pre-commit run --all-files

.venv/.installed: setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

clean:
	rm -rf .venv build *.egg-info
