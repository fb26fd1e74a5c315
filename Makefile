# The commands of daily work. `make` without arguments lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests configure build train test test-sanitized fuzz bench bench-all ablation docs format install clean

ARGS ?=
CONFIG ?= configs/quickstart.toml
# The targets of `make build`; the tests need more packages.
PROGRAMS := lockstep lockstep-worker
# On a terminal Ninja overwrites a single line; elsewhere it prints nothing unless something fails.
NINJA_QUIET = $$([[ -t 1 ]] || echo --quiet)
# In CI warnings are errors; elsewhere they are not, since other compilers may print more of them. OFF is said too: CMake
# remembers what it was told last.
WERROR := -DLOCKSTEP_WERROR=$(if $(filter true,$(CI)),ON,OFF)
SOURCES = $$(git ls-files '*.cpp' '*.hpp' '*.cu' '*.cuh')

# Builds the programs to measure first.
BENCH = $(MAKE) --no-print-directory configure && ninja -C build $(NINJA_QUIET) programs_to_measure && \
	.venv/bin/python3 -m tests.performance.bench

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 23
	@echo '  e.g. make train ARGS="--ranks 2 --fresh"   make train CONFIG=my.toml'

setup: ## install what building and training need (Debian packages, torch into .venv)
	@./setup.sh

setup-tests: ## install what the tests need as well (among it Slurm and an SSH server)
	@./setup.sh tests

# Always runs, which takes a second, so that packages installed in the meantime are found.
configure:
	@mkdir -p build
	@cmake -S . -B build -G Ninja $(WERROR) > build/configure.log 2>&1 || { cat build/configure.log; exit 1; }

build: setup ## build lockstep and lockstep-worker into build/bin
	@$(MAKE) --no-print-directory configure
	@echo "build: $(PROGRAMS)"
	@ninja -C build $(NINJA_QUIET) $(PROGRAMS)

train: build ## train on Fashion-MNIST with one rank per core (ARGS, CONFIG)
	@build/bin/lockstep train $(CONFIG) $(ARGS)

test: setup-tests ## build everything and run all tests
	@$(MAKE) --no-print-directory configure
	@echo "build: programs and tests"
	@ninja -C build $(NINJA_QUIET)
	@ctest --test-dir build --output-on-failure --no-tests=error -j 2

test-sanitized: setup-tests ## build under sanitizers and run the tests that suit them, in an hour or more (KINDS="asan tsan")
	@.venv/bin/python3 tests/sanitized/sanitized.py nightly $(KINDS)

SECONDS ?= 60
fuzz: setup-tests ## try the readers of files with libFuzzer, SECONDS for each (TARGETS)
	@.venv/bin/python3 -m tests.fuzz.fuzzing --seconds $(SECONDS) $(TARGETS)

docs: setup ## write what is derived from the table of parameters (docs/parameters.md, the schema)
	@$(MAKE) --no-print-directory configure
	@ninja -C build $(NINJA_QUIET) lockstep
	@build/bin/lockstep docs parameters > docs/parameters.md
	@build/bin/lockstep schema > configs/parameters.schema.json

bench: setup-tests ## measure whole runs beside PyTorch DDP, MPI and gloo, in about 10 minutes (ARGS)
	@$(BENCH) short $(ARGS) && .venv/bin/python3 -m tests.performance.table

bench-all: setup-tests ## measure everything, simulated hosts too (root; ARGS)
	@$(BENCH) all $(ARGS) && .venv/bin/python3 -m tests.performance.table

format: setup-tests ## format all C++, CUDA and Python sources
	@clang-format -i $(SOURCES)
	@.venv/bin/ruff check --quiet --select I --fix . && .venv/bin/ruff format --quiet .

ablation: setup-tests ## measure what each feature brings on a subset of Fashion-MNIST (ARGS)
	@$(MAKE) --no-print-directory configure
	@ninja -C build $(NINJA_QUIET) $(PROGRAMS)
	@.venv/bin/python3 -m tests.performance.ablation $(ARGS)

PREFIX ?= /usr/local
# What has been built is not built again, so that `sudo make install` leaves no files of root in build/ but the manifest.
install: $(if $(and $(wildcard build/bin/lockstep),$(wildcard build/bin/lockstep-worker)),,build) ## install the programs, their manual pages, templates and documents below PREFIX
	@cmake --install build --prefix "$$(realpath -m "$(PREFIX)")" > /dev/null
	@echo "install: $(PREFIX)/bin/lockstep and others, which build/install_manifest.txt lists"

clean: ## remove build/ and the builds under sanitizers (the runs and .venv stay)
	@rm -rf build build-asan build-tsan build-fuzz
