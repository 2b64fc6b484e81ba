# SPDX-License-Identifier: Apache-2.0
#
# The commands of this project; each is a script or a few lines around meson. `make help` lists them.

PREFIX ?= /usr/local
prefix ?= $(PREFIX)
DESTDIR ?=
FUZZ_SECONDS ?= 600
TORTURE_SECONDS ?= 600

.DEFAULT_GOAL := all
.PHONY: all setup run test clients lint bench fuzz templates torture crosstalk oracle install format docs clean help

all: ## build the release: build/hostler and build/hostler-engine
	@scripts/setup --for run
	@scripts/build release

setup: ## install what building and testing need
	@scripts/setup --for test

run: all ## set up, build and serve the demo, or MODEL=smollm2, or MODEL=PATH.gguf, on 127.0.0.1:8080 until Ctrl-C
	@exec scripts/run $(if $(MODEL),--model "$$MODEL")

test: ## set up, build with sanitizers and run every suite; ends with `N passed, N failed`
	@scripts/setup --for test || { echo '0 passed, 1 failed'; exit 1; }
	@exec scripts/test

clients: ## run agents, frameworks and every SDK with every kind of runtime and with real weights (half an hour, 4 GB)
	@scripts/setup --for clients
	@scripts/setup --for models
	@HOSTLER_ALL_KINDS=1 exec scripts/test --only clients,agents

lint: ## layout, layers, static checks, and a build in which warnings are errors
	@exec scripts/lint

bench: ## measure against nginx, HAProxy and llama-server; prints a table and writes JSON into build/bench
	@scripts/setup --for bench
	@scripts/models smollm2 llama3-vocabulary
	@scripts/build release
	@exec build/venv/bin/python bench/run.py $(BENCH_ARGS)

fuzz: ## run every fuzz target for FUZZ_SECONDS (600) each, growing its corpus in build/fuzz-corpus
	@scripts/setup --for test
	@scripts/build fuzz
	@exec scripts/test --only fuzz --fuzz-seconds $(FUZZ_SECONDS) --no-setup

templates: ## fetch the chat templates of real models and compare every rendering with Python's jinja2
	@scripts/setup --for test
	@scripts/setup --for templates
	@scripts/build asan test/jinja/jinja-render
	@cd test && HOSTLER_ALL_PAIRS=1 exec ../build/venv/bin/python -m pytest -q -s -p no:cacheprovider e2e/test_jinja.py

torture: ## everything at once on sanitized builds, TORTURE_SECONDS (600) for each; 12,000 answers under random schemas; attacks on the edge; the engine's cache
	@scripts/setup --for test
	@scripts/build asan
	@scripts/build tsan
	@scripts/build faults src/hostler
	@build/venv/bin/python test/torture.py --seconds $(TORTURE_SECONDS)
	@scripts/setup --for models
	@scripts/build release
	@build/venv/bin/python test/torture_grammars.py --count 10000
	@build/venv/bin/python test/torture_grammars.py --model build/models/smollm2.gguf --count 2000
	@scripts/setup --for bench
	@build/venv/bin/python test/torture_edge.py
	@exec build/venv/bin/python test/torture_cache.py

oracle: all ## what the engine makes of real weights beside llama-server and models in NumPy
	@scripts/setup --for bench
	@build/venv/bin/python scripts/models all
	@exec build/venv/bin/python test/oracle.py

crosstalk: all ## a million requests with nonces, many aborted: no answer goes to another client
	@scripts/setup --for test
	@exec build/venv/bin/python test/crosstalk.py

install: all ## install into $(DESTDIR)$(prefix)
	@DESTDIR="$(DESTDIR)" scripts/install "$(prefix)"

format: ## let clang-format lay out every C file
	@scripts/lint --fix

docs: all ## write the generated pages of docs/ anew
	@scripts/docs

clean: ## remove what was built; keeps what setup fetched
	@rm -rf build/release build/asan build/faults build/tsan build/fuzz build/strict build/hostler build/hostler-engine build/*.log

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
