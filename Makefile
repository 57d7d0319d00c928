# make demo | dev | test | test-slow | lint | clean. Each makes the virtual environment it needs, once.

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

.PHONY: demo dev test test-slow test-ui lint clean install
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

# The demo writes its environment and its Dagster instance; without them there is nothing to show.
$(DEMO)/solpay.env:
	$(MAKE) demo

# The demo's chain goes on beside the UI, so that jobs launched there have something to work on.
dev: $(INSTALLED) $(DEMO)/solpay.env
	@cp dagster.yaml $(DEMO)/dagster_home/dagster.yaml
	$(BIN)/python -m solpay_pipeline.demo $(DEMO) $(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

# The JavaScript clients that the embedded chain is tested with, where there is a Node.js to run them.
$(NODE_INSTALLED): $(NODE_TESTS)/package.json $(NODE_TESTS)/package-lock.json
	@if command -v npm >/dev/null 2>&1; then \
		npm ci --prefix $(NODE_TESTS) --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else echo "no Node.js: the tests with its clients are skipped"; fi

test: $(INSTALLED) $(NODE_INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: $(INSTALLED) $(NODE_INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow --ignore=solpay_pipeline_tests/interface

# A real webserver and daemon, some minutes long.
test-ui: $(INSTALLED)
	$(BIN)/python -m pytest solpay_pipeline_tests/interface

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(DEMO) $(NODE_TESTS)/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
