# Everything from a bare machine with Python 3.11 to 3.13: each target sets up what it needs first.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9
# uv would fetch an interpreter of its own; the machine's one is used.
export UV_PYTHON_DOWNLOADS := never
# As pip does: else every start compiles what it imports, wherever byte code is not written.
export UV_COMPILE_BYTECODE := true
# The machine's certificates, as pip uses them: a company's own are among them.
export UV_SYSTEM_CERTS := true
LINE_DATA := build/line
TRANSLATIONS := $(patsubst %.ts,%.qm,$(wildcard edge_app/ui/translations/*.ts))
# One more than this machine has cores, four at most: many tests wait for processes and cameras. The long files come first.
TEST_PROCESSES := $(shell n=$$(nproc 2>/dev/null || echo 1); [ $$n -gt 3 ] && echo 4 || echo $$((n + 1)))

.PHONY: help setup demo demo-model test test-long test-window test-box release check format bench bench-compare bench-calibration translations screenshots clean

help:
	@echo "make demo        watch the operator screen judge parts (without a display: offscreen, with screenshots)"
	@echo "make test        checks and tests"
	@echo "make test-long   the tests that train for minutes, which make test leaves out"
	@echo "make test-window the stories of the screen in a real window, under Xvfb"
	@echo "make test-box    install into bare Debian roots and prove it there; root, long (BOXES='trixie trixie-arm64')"
	@echo "make release     wheels, bills of materials, audit and checksums into dist (DRAFT=draft: what is not ready is said)"
	@echo "make setup       only build $(VENV)"
	@echo "make check       lint, format, types, import walls"
	@echo "make bench       the slow measurements; results in build/bench"
	@echo "make bench-compare OLD=a.json NEW=b.json  two of them held against each other"
	@echo "make bench-calibration  asked against achieved false rejects alone"
	@echo "make demo-model  train the demo bundle again on the synthetic line"
	@echo "make translations  take new texts of the screen over into its translations, and compile them"
	@echo "make screenshots  every page in both languages, themes and sizes; into build/screenshots"
	@echo "make clean       remove $(VENV) and build"

setup: $(READY) $(TRANSLATIONS)

$(READY): pyproject.toml trainer/pyproject.toml uv.lock deploy/system_libraries.sh
	@sh deploy/system_libraries.sh make-venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv sync --frozen --inexact --all-extras --quiet
	@sh deploy/system_libraries.sh qt $(BIN)/python
	@touch $@

%.qm: %.ts | $(READY)
	@sh deploy/translations.sh compile $(BIN)/python $< $@

translations: $(READY)
	sh deploy/translations.sh update $(BIN)
	$(MAKE) $(TRANSLATIONS)

screenshots: $(READY) $(TRANSLATIONS)
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m edge_app.ui.screenshots build/screenshots docs/screenshots

demo: $(READY) $(TRANSLATIONS)
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
		$(BIN)/edge-app run; \
	else \
		QT_QPA_PLATFORM=offscreen $(BIN)/edge-app run --parts 60 --screenshots build/demo; \
	fi

# Signed by a development key that nobody keeps.
demo-model: $(READY)
	rm -rf $(LINE_DATA)
	$(BIN)/trainer draw-line $(LINE_DATA) --good 400 --test 200
	XDG_STATE_HOME=$$(mktemp -d) $(BIN)/trainer fit $(LINE_DATA) --detector cae --product demo --epochs 30 --seed 1 --out models/demo.bundle --report build/demo-report

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check $(TRANSLATIONS)
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# What trains for minutes.
test-long: $(READY) $(TRANSLATIONS)
	$(BIN)/python -m pytest -m long -n 2

# Each story once more, in a window of an X server without a screen.
test-window: $(READY) $(TRANSLATIONS)
	@sh deploy/system_libraries.sh window
	QT_QPA_PLATFORM=xcb xvfb-run --auto-servernum --server-args="-screen 0 1920x1200x24" \
		$(BIN)/python -m pytest -m story tests/gui

# Debian roots under build/box; BOXES names others than bookworm and trixie.
test-box: $(READY) $(TRANSLATIONS)
	sh tests/box/prove.sh $(BIN) $(BOXES)

release: $(READY) $(TRANSLATIONS)
	sh deploy/release.sh $(BIN) dist $(DRAFT)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m tests.bench

# make bench-compare OLD=before.json NEW=build/bench/all.json
bench-compare: $(READY)
	$(BIN)/python -m tests.bench compare $(OLD) $(NEW)

bench-calibration: $(READY)
	$(BIN)/python -m tests.bench calibration

clean:
	rm -f $(TRANSLATIONS)
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
