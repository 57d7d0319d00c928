# make demo | dev | test | test-slow | test-ui | simulate | mutants | deaths | bench | bench-counts | lint | clean. Each makes the virtual environment it needs, once.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO := demo
NODE_TESTS := solpay_pipeline_tests/localnet/node
NODE_INSTALLED := $(NODE_TESTS)/node_modules/.installed
# One more than two cores: the tests wait for slots of the chain for a third of their time.
WORKERS ?= 3

.PHONY: demo dev test test-slow test-ui simulate mutants deaths bench bench-counts lint clean install
.DEFAULT_GOAL := test

install: $(INSTALLED)

# Rebuilt only when what is to be installed changes; the package itself is linked, not copied.
$(INSTALLED): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[localnet,postgres,ui,test,lint]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/solpay demo

# The demo goes on, and is played first where it never was: customers keep paying beside the UI, sensors and schedules run.
dev: $(INSTALLED)
	$(BIN)/solpay demo --live --folder $(DEMO) -- $(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

# The JavaScript clients that the embedded chain is tested with, where there is a Node.js to run them.
$(NODE_INSTALLED): $(NODE_TESTS)/package.json $(NODE_TESTS)/package-lock.json
	@if command -v npm >/dev/null 2>&1; then \
		npm ci --prefix $(NODE_TESTS) --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else echo "no Node.js: the tests with its clients are skipped"; fi

test: $(INSTALLED) $(NODE_INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: $(INSTALLED) $(NODE_INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow --ignore=solpay_pipeline_tests/dagster/interface

# Whole histories of a shop with all that can go wrong, each from its seed: SEEDS=2000 [STEPS=40] [FIRST=0] [KEEP=0-2,7].
SEEDS ?= 200
simulate: $(INSTALLED)
	@PYTHONHASHSEED=0 $(BIN)/python -m solpay_pipeline_tests.proofs.simulation --seeds $(SEEDS) --workers $(WORKERS) \
		$(if $(STEPS),--steps $(STEPS)) $(if $(FIRST),--first $(FIRST)) $(if $(KEEP),--keep $(KEEP)) \
		$(if $(ONLY),--only $(ONLY)) $(if $(WITHOUT),--without $(WITHOUT))

# A real webserver and daemon, and a real browser where there is one.
test-ui: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile solpay_pipeline_tests/dagster/interface

# The peer's defects put back into our code, then the mutation score. SAMPLE mutants of each group of modules, or all.
mutants: $(INSTALLED)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[mutation]'
	nice $(BIN)/python -m solpay_pipeline_tests.proofs.mutants defects
	nice $(BIN)/python -m solpay_pipeline_tests.proofs.mutants score $(SAMPLE)

# Fifty kill -9 of a maintain of 500 wallets, each followed by a plain run: some twenty minutes, a table, a verdict.
deaths: $(INSTALLED)
	nice $(BIN)/python -m solpay_pipeline_tests.failures.crashes.fifty_deaths

# Beside the peer, which gets an environment of its own: ONLY=sweep SIZES=50,1000 for a part.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(SIZES),--sizes $(SIZES))

# A small one, of counts and end states.
bench-counts: $(INSTALLED)
	$(BIN)/python -m benchmarks --only expire,sweep,reclaim,recheck --sizes 20 --latencies 0 --sides ours --counts-only --no-write

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m solpay_pipeline.settings.documentation --check
	$(BIN)/python -m solpay_pipeline_tests.house.evidence_table --check

clean:
	rm -rf $(VENV) $(DEMO) .bench $(NODE_TESTS)/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
