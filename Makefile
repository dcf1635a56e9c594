# Each target makes what it needs: a virtual environment in .venv, and the project in it with the extras it asks for.
#
#   make demo                       see it work, in ./demo
#   make test ARGS="-k spans"       arguments are passed on
#   make PYTHON=python3.12 lint     another Python
.POSIX:
.PHONY: help demo test lint docs bench bench-sync bench-captions bench-foley bench-panel torture screenshots train-sync train-captions train-foley experiment-sync experiment-captions experiment-foley experiment-leakage clean

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS =

# Stamps: set up once, and again when pyproject.toml changes.
PLAIN = $(VENV)/.plain
DEV = $(VENV)/.dev
TRAIN = $(VENV)/.train
PANEL = $(VENV)/.panel
DOCS = $(VENV)/.docs

help:
	@echo "make demo        render a small project, mend it, and show the result in ./demo"
	@echo "make test        every test (installs PyTorch)"
	@echo "make lint        ruff and mypy"
	@echo "make docs        the documentation as a site, in build/site"
	@echo "make bench       the figures that the README gives"
	@echo "make bench-sync  sync on shifted clips, a film and rendered scenes, and its speed"
	@echo "make bench-captions  captions on clips, mixtures and a film, and their speed"
	@echo "make bench-foley  takes by another network's ear, their levels, beside real sounds, and their speed"
	@echo "make bench-panel  the review window with thousands of findings"
	@echo "make torture     try to break it: kills, spoilt files, full disks, hostile networks and archives, a soak"
	@echo "make screenshots  the pictures in the documentation"
	@echo "make train-sync  train the sync network"
	@echo "make train-captions  train the compact captions bundle (fetches free sounds and a film; see its module)"
	@echo "make train-foley   train the compact foley bundle (fetches free sounds; see its module)"
	@echo "make experiment-sync       the thesis' questions about sync in small"
	@echo "make experiment-captions   the papers' tables in small"
	@echo "make experiment-foley      the thesis' tables in small"
	@echo "make experiment-leakage    what encodings tell of time: the thesis' table 5.1"
	@echo "make clean       remove the virtual environment and everything made"

demo: $(PLAIN)
	$(BIN)/avassist demo demo $(ARGS)

# One thread a process: pytest runs as many processes as there are cores.
test: $(TRAIN)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 $(ARGS)

# mypy reads what the panel and the farm are built on.
lint: $(PANEL)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# mkdocs-material advertises its successor at each build unless it is told not to.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

bench: $(DEV)
	$(BIN)/python -m bench $(ARGS)

# Scenes are rendered by what trains.
bench-sync: $(TRAIN)
	$(BIN)/python -m bench.sync $(ARGS)

# The authors' way that the speed is compared with is PyTorch.
bench-captions: $(TRAIN)
	$(BIN)/python -m bench.captions $(ARGS)

# The judge that takes are compared with real sounds by is PyTorch.
bench-foley: $(TRAIN)
	$(BIN)/python -m bench.foley $(ARGS)

bench-panel: $(PANEL)
	$(BIN)/python -m bench.panel $(ARGS)

# An hour; ARGS="media --case 112" does one case again.
torture: $(DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.torture $(ARGS)

screenshots: $(PANEL)
	$(BIN)/python -m bench.screenshots $(ARGS)

train-sync: $(TRAIN)
	$(BIN)/python -m models.sync.compact.train $(ARGS)

train-captions: $(TRAIN)
	$(BIN)/python -m models.captions.compact.train $(ARGS)

train-foley: $(TRAIN)
	OMP_NUM_THREADS=1 $(BIN)/python -m models.foley.compact.train $(ARGS)

experiment-sync: $(TRAIN)
	OMP_NUM_THREADS=1 $(BIN)/python -m models.sync.experiments $(ARGS)

experiment-captions: $(TRAIN)
	OMP_NUM_THREADS=1 $(BIN)/python -m models.captions.experiments $(ARGS)

experiment-foley: $(TRAIN)
	OMP_NUM_THREADS=1 $(BIN)/python -m models.foley.experiments $(ARGS)

experiment-leakage: $(TRAIN)
	$(BIN)/python -m models.sync.leakage $(ARGS)

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "otio-avassist wants Python 3.11, 3.12 or 3.13; choose one: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) can't make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(PLAIN): pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) -e .
	@touch $(PLAIN)

$(DEV): pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) -e '.[dev,farm]'
	@touch $(PLAIN) $(DEV)

$(DOCS): pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) -e '.[docs]'
	@touch $(PLAIN) $(DOCS)

$(PANEL): pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) -e '.[dev,panel,farm]'
	@touch $(PLAIN) $(DEV) $(PANEL)

$(TRAIN): pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) -e '.[train,dev,panel,docs,farm]'
	@touch $(PLAIN) $(DEV) $(PANEL) $(DOCS) $(TRAIN)
