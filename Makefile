# Everything runs in .venv, which the first target that needs it makes. Needs Python 3.11 to 3.13.
PYTHON ?= python3
BIN := .venv/bin
PEERS := .bench/test-peers
LOGGERS := .bench/test-loggers
RAY := .bench/test-ray
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: demo test tiny slow learning test-peers test-loggers test-ray test-browser lint format bench fuzz size clean

demo: .venv/.installed  ## train DQN on CartPole and show that it learned
	$(BIN)/palestra train dqn CartPole-v1

test: .venv/.dev  ## the whole suite: twenty minutes on two cores the first time
	$(BIN)/python -m pytest -n 2 --dist loadfile

tiny: .venv/.tiny  ## the fifteen-second check
	$(BIN)/python -m pytest -m tiny -n 0 $$(grep -rl --include='*.py' mark.tiny tests)

slow: .venv/.dev  ## learning at full length: minutes
	$(BIN)/python -m pytest -m slow -n 0

learning: .venv/.installed  ## every algorithm on every task, ten seeds, and the zoo: hours; resumable
	$(BIN)/python benchmarks/learning.py
	$(BIN)/python benchmarks/zoo.py

test-peers: $(PEERS)/.installed  ## other libraries train on our environments; installs them: 1 GB
	$(PEERS)/bin/python -m pytest -n 0 tests/peers

test-loggers: $(LOGGERS)/.installed  ## trackers read back what we log; installs them: 2 GB
	$(LOGGERS)/bin/python -m pytest -n 0 -W default tests/loggers

test-ray: $(RAY)/.installed  ## actors on a cluster of three nodes, all on loopback; installs it: 300 MB
	$(RAY)/bin/python -m pytest -n 0 -W default tests/ray

test-browser: .venv/.browser  ## a real Chromium opens our pages, without a network; installs it: 350 MB
	@command -v chromium || command -v google-chrome || { $(ROOT) apt-get update -qq && \
	  $(ROOT) apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }
	$(BIN)/python -m pytest -n 0 tests/browser

lint: .venv/.dev  ## style and types, nothing changed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev  ## style, mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed  ## the published figures; peers are installed into .bench: minutes, 5 GB
	$(BIN)/python benchmarks/arithmetic.py
	$(BIN)/python benchmarks/random_numbers.py
	$(BIN)/python benchmarks/seeds.py
	$(BIN)/python benchmarks/step_one.py
	$(BIN)/python benchmarks/step_many.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/atari.py
	$(BIN)/python benchmarks/doctor.py

fuzz: .venv/.dev  ## 141,000 files that nobody meant to write, for every loader: ten minutes
	$(BIN)/python -m pip install --quiet atheris hypothesis
	$(BIN)/python benchmarks/fuzz.py

size:  ## lines of code, by part
	@for part in core.py prng.py envs parts algorithms runners tools; do \
	  printf '%7d  palestra/%s\n' $$(find palestra/$$part -name '*.py' | xargs cat | wc -l) $$part; done
	@printf '%7d  tests\n' $$(find tests -name '*.py' | xargs cat | wc -l)

clean:  ## remove what make made
	rm -rf .venv .bench .cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Palestra needs Python 3.11 to 3.13; name one: make demo PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.tiny: pyproject.toml | $(BIN)/python  # not compiled, of which most would never be used
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[tiny]'
	touch $@

.venv/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

.venv/.browser: .venv/.dev
	$(BIN)/python -m pip install --quiet 'playwright>=1.50' 'axe-playwright-python>=0.1'
	touch $@

$(PEERS)/.installed: pyproject.toml
	test -d $(PEERS) || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet torch==2.13.0
	$(PEERS)/bin/python -m pip install --quiet 'stable-baselines3==2.9.*' --editable '.[dev]'
	touch $@

$(LOGGERS)/.installed: pyproject.toml
	test -d $(LOGGERS) || $(PYTHON) -m venv $(LOGGERS)
	$(LOGGERS)/bin/python -m pip install --quiet torch==2.13.0
	$(LOGGERS)/bin/python -m pip install --quiet 'stable-baselines3==2.9.*' --editable '.[tiny,tensorboard,wandb,mlflow,trackio]'
	touch $@

$(RAY)/.installed: pyproject.toml
	test -d $(RAY) || $(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --editable '.[tiny,ray]'
	touch $@
