# The front door. Every target first brings what it needs into .venv and .local (nothing to do the second time).
#   make run [PROFILE=light] [PORT=8080] [FRESH=1] [ISOLATED=1]   the whole platform on this machine, until Ctrl-C
#   make test [K=expression]     all tests, on the real engines      make check       ruff, mypy, imports, registry
#   make demo                    four paid orders, as a story        make bench       the table of figures
#   make logs FN=create_order    the log of one function or program  make trace ORDER=ord_…   an order's facts
#   make test-one OP=create_order  the tests of one operation        make reload      functions anew, engines stay
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup run test check bench drill demo logs trace test-one reload lock login pay replay verify

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@$(PYTHON) -m emulators.setup $(if $(AGAIN),--again)

run: setup
	@$(BIN)/python -m emulators.up $(if $(FRESH),--fresh) $(if $(ISOLATED),--isolated)

test: setup
	$(BIN)/pytest $(if $(K),-k '$(K)')

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m triggers check

bench: setup
	@mkdir -p results
	$(BIN)/python -m tests.bench

drill: setup
	$(BIN)/python -m emulators.drill

demo: setup
	@$(BIN)/python -m emulators.demo

logs: setup
	@$(BIN)/python -m emulators.look logs $(FN)

trace: setup
	@$(BIN)/python -m emulators.look trace $(ORDER)

test-one: setup
	$(BIN)/pytest $$(grep -rlw --include='test_*.py' '$(OP)' tests)

reload: setup
	@$(BIN)/python -m emulators.look reload

lock: setup
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --universal requirements/runtime.in -o requirements.txt
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --universal -c requirements.txt requirements/dev.in -o requirements/dev.txt
	cd emulators && npm install --package-lock-only --ignore-scripts --no-audit --no-fund

login: setup
	@$(BIN)/python -m emulators.by_hand login

pay: setup
	@$(BIN)/python -m emulators.by_hand pay $(PAYMENT)

replay: setup
	@set -a; eval "$$($(BIN)/python -m emulators.look env)"; $(BIN)/python -m shared.adapters.postgres.replay

verify: setup
	@set -a; eval "$$($(BIN)/python -m emulators.look env)"; $(BIN)/python -m shared.adapters.postgres.verify $(STREAM)
