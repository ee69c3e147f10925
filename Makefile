# Two commands do everything: `make demo` and `make test`. Both create .venv and install pinned packages.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# Processes of the test suite.
JOBS ?= 2
STAMP := .venv/.installed

DOCS := .venv/.docs

.PHONY: help demo docs lint test wheel test-slow test-all prove mutate clean setup setup-bench setup-bench-estimate setup-synth

help:
	@echo "make demo      train, export, check four engines, emit Verilog, co-simulate, estimate (minutes)"
	@echo "make test      lint and the test suite (pip only; Icarus cases run when iverilog is installed)"
	@echo "make test-slow the slow checks, hours; resumes, writes docs/slow-tests.md; FILES=... chooses"
	@echo "make test-all  both, in one process"
	@echo "make lint      style, order of the rooms, types: the first part of make test"
	@echo "make wheel     sdist and wheel in dist/, checked in empty environments (minutes)"
	@echo "make docs      the documentation site in build/docs: runs every page and notebook, checks every link"
	@echo "make prove     proves the RTL by induction, resumes, writes docs/proofs.md (80 minutes)"
	@echo "make mutate    mutation test of the RTL, resumes, writes docs/mutation.md"
	@echo "make setup-bench  installs the other tools of 'adqhw bench sim' and 'bench train'"
	@echo "make setup-bench-estimate  SCALE-Sim and ZigZag beside 'adqhw bench estimate', in .venv-estimate"
	@echo "make setup-synth  installs Yosys and nextpnr for 'adqhw bench synth'"
	@echo "make clean     remove what was built here"

setup: $(STAMP)

# The stamp depends on the pins: a changed requirement installs again.
$(STAMP): requirements.txt pyproject.toml
	@bash tools/setup.sh "$(PYTHON)"
	@touch $(STAMP)

# The contenders of `adqhw bench sim` (ONNX Runtime, QONNX, da4ml) and `bench train` (Brevitas).
setup-bench: $(STAMP)
	$(BIN)/python -m pip install --quiet -r requirements-bench.txt

# SCALE-Sim and ZigZag for `adqhw bench estimate`: they need an older NumPy, so their own environment.
setup-bench-estimate:
	"$(PYTHON)" -m venv .venv-estimate
	.venv-estimate/bin/python -m pip install --quiet -r requirements-bench-estimate.txt

# Yosys and nextpnr (WebAssembly) of `adqhw bench synth`.
setup-synth: $(STAMP)
	$(BIN)/python -m pip install --quiet -r requirements-synth.txt

demo: $(STAMP)
	$(BIN)/adqhw demo --out runs/demo

# Style, order of the rooms, types.
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy -p adqhw & mypy=$$!; $(BIN)/basedpyright; pyright=$$?; wait $$mypy && exit $$pyright

test: lint
	ADQHW_REQUIRE=verilator $(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile

# The slow half, file by file: resumes, keeps docs/slow-tests.md. FILES chooses (files or folders).
FILES ?=
test-slow: $(STAMP)
	ADQHW_REQUIRE=verilator $(BIN)/python tests/support/slow_page.py $(FILES)

test-all: $(STAMP)
	ADQHW_REQUIRE=verilator $(BIN)/python -m pytest

$(DOCS): $(STAMP) requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt 2> >(grep -v '^WARNING: Location' >&2)
	@touch $(DOCS)

# Warnings are errors. Needs no network; the links to other sites are listed, not followed.
docs: export OMP_NUM_THREADS := 1
docs: $(DOCS)
	$(BIN)/python tests/support/executed_page.py
	rm -rf build/docs build/doctrees
	$(BIN)/python -m sphinx -W --keep-going -q -b html -c docs -d build/doctrees . build/docs
	$(BIN)/python tools/check_site.py build/docs

# Nothing is downloaded: what is installed here builds them and fills the environments.
wheel: $(STAMP)
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build --no-isolation --outdir dist . > /dev/null
	ADQHW_REQUIRE=verilator $(BIN)/python -m pytest -q -m slow tests/house/test_wheel.py
	@ls dist

prove: $(STAMP)
	$(BIN)/python -W ignore -m adqhw.verify.proofs

# SEED and COUNT choose the mutants.
SEED ?= 1
COUNT ?= 100
mutate: $(STAMP)
	$(BIN)/python -W ignore -m adqhw.verify.mutation --seed $(SEED) --count $(COUNT)

clean:
	rm -rf dist .venv .venv-estimate build *.egg-info sim_build .pytest_cache .ruff_cache .mypy_cache .hypothesis
