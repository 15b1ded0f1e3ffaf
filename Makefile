# Needs git, make and Python 3.11 to 3.13 with pip; everything else is installed into .uv/ and .venv/ here.
PYTHON ?= python3
EXTRA ?= cpu
CORES ?= all
# As they were given, unexpanded, and through the environment: in a recipe's text they could be commands.
override NAME := $(value NAME)
override PARAMS := $(value PARAMS)
override CORES := $(value CORES)
export NAME PARAMS CORES
override EXTRA := $(value EXTRA)
$(if $(filter-out cpu gpu jax,$(EXTRA))$(filter-out 1,$(words $(EXTRA))),$(error EXTRA must be cpu, gpu or jax))
UV := .uv/bin/uv
BIN := .venv/bin
READY := setup
DONE := .venv/.ready-$(EXTRA)
BATCH := $(BIN)/python -u -m studies batch --cores "$$CORES"
BUNDLED := digits-translate digits-rotate digits-crop
RECIPES := $(basename $(notdir $(wildcard params/featurizers/*.yaml)))
RETRAINED := $(basename $(notdir $(wildcard params/retrained_sets/*.yaml)))
SETS := $(basename $(notdir $(wildcard params/sets/*.yaml)))
DEAR := $(basename $(notdir $(wildcard params/dear/*.yaml)))
FACTORIALS := $(basename $(notdir $(wildcard params/factorial/*.yaml)))
COMPARISONS := $(basename $(notdir $(wildcard params/learned/*.yaml)))
ALL := $(filter-out benchmark selection-at-size,$(basename $(notdir $(wildcard params/*.yaml))))
# Words as the shell is to take them: names of files can be commands too.
quoted = $(foreach word,$(1),'$(subst ','\'',$(word))')

.DEFAULT_GOAL := help
.PHONY: help setup run study studies sets retrained featurizer toy learned own labels dear factorial bench size verify lab test test-fast canaries browser torch faults lint audit

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# What was cut off, or has lost its Python, is made again; so is an environment that was being installed when it stopped.
# An empty file runs without an error, so what they say counts. The process that .syncing names may be another make.
setup: ## install the locked environment (EXTRA=gpu for a GPU)
	@$(UV) --version 2>/dev/null | grep -q '^uv ' || { rm -rf .uv && $(PYTHON) -m pip install --quiet \
		--disable-pip-version-check --target .uv 'uv>=0.8,<1'; } || { $(call again,uv could not be installed); }
	@kill -0 "$$(cat .uv/.syncing 2>/dev/null)" 2>/dev/null || \
		test ! -e .uv/.syncing -a "$$($(BIN)/python -c 'print(1)' 2>/dev/null)" = 1 || rm -rf .venv
	@$(MAKE) --silent --no-print-directory $(DONE)

# Compiled once here, not by whoever imports first: where Python may not write bytecode, every process would compile all
# of TensorFlow anew, and to import Keras took 28 s in place of 10.
$(DONE): pyproject.toml uv.lock
	@echo $$$$ > .uv/.syncing; $(UV) sync --quiet --locked --compile-bytecode --extra studies --extra $(EXTRA); status=$$?; \
		test $$status -ge 128 || rm -f .uv/.syncing; test $$status -eq 0 && rm -f .venv/.ready-* && touch $@ || \
		{ $(call again,The environment could not be installed); }

again = echo "$(1): when the reason above is mended, remove .uv and .venv and run make again." >&2; exit 1

run: $(READY) ## run the embedded studies (no download) and name the page to open
	@$(BATCH) $(BUNDLED)

study: $(READY) ## run one study: make study NAME=mnist-translate
	@test -n "$$NAME" || { echo "Which one? make study NAME=... with one of:" $(call quoted,$(ALL)); exit 2; }
	@test -f "params/$$NAME.yaml" || { echo "There is no params/$$NAME.yaml; there are:" $(call quoted,$(ALL)); exit 2; }
	@$(BATCH) -- "$$NAME"

studies: $(READY) ## run every study in params/
	@$(BATCH) -- $(call quoted,$(ALL))

sets: $(READY) ## compare policies of copies, or go on: make sets NAME=mnist-translate
	@test -f "params/sets/$$NAME.yaml" || { echo "Which one? make sets NAME=... with one of:" $(call quoted,$(SETS)); exit 2; }
	@$(BIN)/python -m studies run notebooks/13_set_policies.ipynb "params/sets/$$NAME.yaml"
	@$(BIN)/python -m studies run notebooks/14_why_greedy.ipynb "params/sets/$$NAME.yaml"
	@$(BIN)/python -m studies index outputs

retrained: $(READY) ## train networks anew with chosen copies, or go on: make retrained NAME=mnist-translate
	@test -f "params/retrained_sets/$$NAME.yaml" || { echo "Which one? make retrained NAME=... with one of:" $(call quoted,$(RETRAINED)); exit 2; }
	@$(BIN)/python -m studies retrain "params/retrained_sets/$$NAME.yaml"
	@$(BIN)/python -m studies run notebooks/17_retrained_sets.ipynb "params/retrained_sets/$$NAME.yaml"
	@$(BIN)/python -m studies index outputs

featurizer: $(READY) ## train a network, or go on training it: make featurizer NAME=cifar10-resnet20
	@test -f "params/featurizers/$$NAME.yaml" || { echo "Which one? make featurizer NAME=... with one of:" $(call quoted,$(RECIPES)); exit 2; }
	@$(BIN)/python -m studies run notebooks/09_train_featurizer.ipynb "params/featurizers/$$NAME.yaml"

toy: $(READY) ## run the toy experiment of learned augmentation
	@$(BIN)/python -m studies run notebooks/10_toy_influence.ipynb params/toy/half-circles.yaml
	@$(BIN)/python -m studies index outputs

learned: $(READY) ## compare learned augmentations, or go on: make learned NAME=mnist-1pct
	@test -f "params/learned/$$NAME.yaml" || { echo "Which one? make learned NAME=... with one of:" $(call quoted,$(COMPARISONS)); exit 2; }
	@$(BIN)/python -m studies compare "params/learned/$$NAME.yaml"
	@$(BIN)/python -m studies run notebooks/11_learned_augmentation.ipynb "params/learned/$$NAME.yaml"
	@$(BIN)/python -m studies index outputs

own: $(READY) ## choose what to augment of your own data: make own PARAMS=params/own/digits.yaml
	@test -f "$$PARAMS" || { echo "Which one? make own PARAMS=..., a file like params/own/digits.yaml"; exit 2; }
	@$(BIN)/python -m studies own -- "$$PARAMS"
	@$(BIN)/python -m studies index outputs

labels: $(READY) ## make some labels wrong and find them: make labels PARAMS=params/labels/digits.yaml
	@test -f "$$PARAMS" || { echo "Which one? make labels PARAMS=..., a file like params/labels/digits.yaml"; exit 2; }
	@$(BIN)/python -m studies run notebooks/16_doubtful_labels.ipynb -- "$$PARAMS"
	@$(BIN)/python -m studies index outputs

dear: $(READY) ## compare policies where each copy is checked by a person: make dear NAME=mnist-translate
	@test -f "params/dear/$$NAME.yaml" || { echo "Which one? make dear NAME=... with one of:" $(call quoted,$(DEAR)); exit 2; }
	@$(BIN)/python -m studies run notebooks/19_dear_copies.ipynb "params/dear/$$NAME.yaml"
	@$(BIN)/python -m studies index outputs

factorial: $(READY) ## what explains the paper's gains, difference by difference, or go on: make factorial NAME=cifar10
	@test -f "params/factorial/$$NAME.yaml" || { echo "Which one? make factorial NAME=... with one of:" $(call quoted,$(FACTORIALS)); exit 2; }
	@$(BIN)/python -m studies factorial "params/factorial/$$NAME.yaml"
	@$(BIN)/python -m studies run notebooks/20_released_code.ipynb "params/factorial/$$NAME.yaml"
	@$(BIN)/python -m studies index outputs

bench: $(READY) ## run the benchmark on MNIST (fetches pyDVL into an environment of its own, gigabytes)
	-@$(BIN)/python -c "from studies.benchmark.competitors import fetch_pydvl; fetch_pydvl()"
	@$(BIN)/python -m studies run notebooks/07_benchmark.ipynb params/benchmark.yaml \
		--executed outputs/notebooks/07_benchmark.ipynb --page outputs/pages/07_benchmark.html
	@$(BIN)/python -m studies index outputs

size: $(READY) ## run the page on greedy selection at size, on MNIST
	@$(BIN)/python -m studies run notebooks/18_selection_at_size.ipynb params/selection-at-size.yaml \
		--executed outputs/notebooks/18_selection_at_size.ipynb --page outputs/pages/18_selection_at_size.html
	@$(BIN)/python -m studies index outputs

verify: $(READY) ## run a committed study again from scratch and compare: make verify NAME=mnist-translate
	@$(BIN)/python -m studies verify -- "$${NAME:-mnist-translate}"

lab: $(READY) ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/00_index.ipynb

# In the order given: the notebooks, which take longest, first.
BY_FILE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
# Two processes with two threads each wait for each other on two cores: with one thread each, notebooks of linear algebra
# took 29 % less time, and all of the tests about a seventh less.
test test-fast faults: export OPENBLAS_NUM_THREADS ?= 1
test test-fast faults: export OMP_NUM_THREADS ?= 1

test: $(READY) lint ## lint, the library's tests, every notebook through nbval
	$(BIN)/python -m pytest $(BY_FILE) --nbval-lax notebooks tests

test-fast: $(READY) ## the library's quick tests, under a minute
	$(BIN)/python -m pytest $(BY_FILE) -p no:nbval -m "not slow and not fuzz" tests/influaug tests/studies tests/project

canaries: $(READY) ## compute the tiny case of every stage whose code was edited, and accept the code if no number changes
	PYTHONPATH=tests $(BIN)/python tests/canaries.py

browser: $(READY) ## JupyterLab and the pages in Chromium, which is installed if it is missing (Debian)
	tests/browser/setup.sh
	$(BIN)/python -m pytest $(BY_FILE) -m browser tests/browser

# Without TensorFlow: Keras then computes with PyTorch too. The wheels for Linux bring CUDA's libraries.
torch: $(READY) ## the PyTorch parts, in an environment of their own, .torch/ (7 GB)
	@UV_PROJECT_ENVIRONMENT=.torch $(UV) sync --quiet --locked --extra networks --extra torch
	KERAS_BACKEND=torch .torch/bin/python -m pytest -p no:nbval tests/pytorch

faults: $(READY) ## batches killed, damaged and starved
	$(BIN)/python -m pytest $(BY_FILE) -m faults tests/faults

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check lib tests notebooks
	$(BIN)/ruff format --check lib tests
	$(BIN)/mypy

audit: $(READY) ## compare what is installed with the lock and its hashes, and the lock with advisories (status 3: not had)
	@$(BIN)/python -m studies audit $(UV) $(EXTRA)
