# The front door. Every target first brings what it needs into .venv and .local (nothing to do the second time).
#   make run [PROFILE=light] [PORT=8080] [FRESH=1] [ISOLATED=1]   the whole platform on this machine, until Ctrl-C
#   make demo                    four paid orders, as a story, on the platform that runs or on one of its own
#   make test [K=expression] [WORKERS=2]   all tests, on the real engines, each worker on its own
#   make test-one OP=create_order  the tests that name one operation
#   make prove                   the state machines of money, thousands of runs each
#   make check                   ruff, mypy, import layers, registry
#   make bench                   every figure beside its floor, into results/bench.json
#   make chaos [SECONDS=600] [SEED=n]   random payments under reorgs and outages, judged; into results/chaos.json
# With the platform running:
#   make logs FN=create_order    the log of one function or program, as it grows
#   make trace ORDER=ord_…       an order's facts in order, with what they caused
#   make reload                  functions, relay, dispatcher and ticker anew; engines and data stay
#   make replay                  rebuild every row from its events and compare
#   make verify STREAM=ord_…     prove that a stream's chain of hashes holds
#   make redrive [OP=… [KEY=…]]  say what functions refused for good, or deliver it again
#   make sql [Q='select …']      a prompt at the database, or the answer to one query
#   make login, make pay         sign in and pay by hand: see README.md
#   make verify-quote            check a payment's quote, given on standard input: see README.md
# For the project itself:
#   make docs                    what is derived from the registry: docs/openapi.json, the table in README.md, …
#   make lock                    pin, with hashes, what requirements/*.in ask for
#   make setup AGAIN=1           try again to get what a stand-in has replaced
SHELL := /bin/bash
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup run test prove check bench chaos demo logs trace test-one reload lock docs login pay replay verify redrive sql verify-quote

help:
	@sed -n 's/^# \( *make\|With\|For\)/\1/p' Makefile

setup:
	@$(PYTHON) -m emulators.setup $(if $(AGAIN),--again)

run: setup
	@$(BIN)/python -m emulators.up $(if $(FRESH),--fresh) $(if $(ISOLATED),--isolated)

test: setup
	$(BIN)/pytest -n $(WORKERS) $(if $(K),-k '$(K)')

prove: setup
	MANY=1 $(BIN)/pytest -q --timeout 900 tests/unit/test_payments_*.py tests/unit/test_reconciliation_*.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m triggers check

bench: setup
	@mkdir -p results
	$(BIN)/python -m tests.bench

chaos: setup
	@$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

demo: setup
	@$(BIN)/python -m emulators.demo

logs: setup
	@$(BIN)/python -m emulators.look logs $(FN)

trace: setup
	@$(BIN)/python -m emulators.look trace $(ORDER)

test-one: setup
	@named=$$(grep -rlw --include='test_*.py' -e '$(or $(OP),OP=<operation>)' tests) || \
		{ echo "no test names $(or $(OP),an operation: make test-one OP=create_order)" >&2; exit 1; }; \
	echo "$$named"; $(BIN)/pytest $$named

reload: setup
	@$(BIN)/python -m emulators.look reload

replay: setup
	@$(BIN)/python -m emulators.look replay

verify: setup
	@$(BIN)/python -m emulators.look verify $(STREAM)

redrive: setup
	@$(BIN)/python -m emulators.look redrive $(OP) $(KEY)

sql: setup
	@$(BIN)/python -m emulators.look sql $(if $(Q),"$(Q)")

verify-quote: setup
	@$(BIN)/python -m shared.wiring.verify_quote --url "$(or $(API),http://127.0.0.1:8080)"

login: setup
	@$(BIN)/python -m emulators.by_hand login

pay: setup
	@$(BIN)/python -m emulators.by_hand pay

docs: setup
	$(BIN)/python -m triggers docs

lock: setup
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --universal requirements/runtime.in -o requirements.txt
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --universal -c requirements.txt requirements/dev.in -o requirements/dev.txt
	cd emulators && npm install --package-lock-only --ignore-scripts --no-audit --no-fund
