# Two commands for a fresh Debian or Ubuntu machine with Python 3.11:
#
#   make deploy [BOARD=esp-eye] [SPARSITY=0.25]    install what is missing, then fold, compile and run on the board
#   make table2                                    install what is missing, then the poster's Table 2, theirs and ours
#   make test                                      install what is missing, then run every check and test
#   make bench                                     print what the kernels cost, with the goals beside it
#   make docs                                      build the documentation site into build/site
#
# Set-up leaves stamps in .venv/, so that a second run does none of it.

BOARD ?= esp-eye
SPARSITY ?= 0.25
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
# Installed before the rest, so that nothing else picks another build of torch.
TORCH ?= torch==2.13.0
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

APT_DEPLOY := python3-venv gcc libc6-dev gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm \
  gcc-xtensa-lx106 qemu-system-misc gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
APT_TEST := $(APT_DEPLOY) chromium clang-format dataset-fashion-mnist libstdc++-arm-none-eabi-newlib openssh-server

BIN := $(VENV)/bin
READY := $(VENV)/.ready-deploy
READY_TEST := $(VENV)/.ready-test

.PHONY: deploy table2 test setup setup-test check fast slow docs bench format clean

deploy: $(READY)
	$(BIN)/foldtiny deploy --board $(BOARD) --sparsity $(SPARSITY)

table2: $(READY)
	$(BIN)/foldtiny table2

test: check docs fast slow

setup: $(READY)
setup-test: $(READY_TEST)

$(READY): pyproject.toml Makefile scripts/apt-install.sh
	sh scripts/apt-install.sh $(APT_DEPLOY)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet --editable .
	touch $@

$(READY_TEST): $(READY)
	sh scripts/apt-install.sh $(APT_TEST)
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@

# Style, types, import direction, and the format of the C sources.
check: $(READY_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format --dry-run -Werror

# Every warning is an error. (mkdocs counts none when it is quiet.)
docs: $(READY_TEST)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

fast: $(READY_TEST)
	$(BIN)/python -m pytest -q -m "not slow and not board" -n $(JOBS) --dist loadfile

slow: $(READY_TEST)
	$(BIN)/python -m pytest -q -m "slow and not board" -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=15

# Instructions, RAM and estimated cycles of whole networks on every simulated board, with the goals beside them.
bench: $(READY_TEST)
	$(BIN)/python benchmarks/run.py

format: $(READY_TEST)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format -i

clean:
	rm -rf build dist
