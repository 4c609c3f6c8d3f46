# make setup | demo | report DIR=... | test [TESTS=all] | check | docs | soak | tensorboard | reality; the environment lives in .venv and is made again only when the pins change.
PYTHON ?= python3
BIN := .venv/bin
RUNS := $(or $(LOSSBENCH_RUNS),runs)

.PHONY: setup demo report test check docs soak pictures reality reality-figures tensorboard bench pins clean

setup: .venv/.ready

# setuptools first: one pinned package comes as source and is built without fetching anything that is not pinned.
.venv/.ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 15) else "error: Python 3.11 to 3.14 is needed, found " + sys.version.split()[0] + "; name another with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	awk '/^setuptools==/{on=1} on{print} on && !/\\$$/{exit}' requirements.txt > .venv/setuptools.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/setuptools.txt
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes --no-build-isolation -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/python train.py experiment=digits_fair

# In as many processes as there are cores; make test TESTS=all runs the tests marked slow too.
test: .venv/.optional
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal --durations=20 $(if $(filter all,$(TESTS)),,-m "not slow")

.venv/.optional: .venv/.ready requirements-optional.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-optional.txt
	touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --project pyproject.toml
	$(MAKE) test

# Memory of 50 runs in one process; runs stopped by signals at random times; then 20 runs interrupted in every way,
# time limits included, on a SLURM that is there (scripts/dev_cluster.sh); takes an hour.
soak: setup
	$(BIN)/python scripts/soak_memory.py
	$(BIN)/python scripts/soak_signals.py $(or $(N),20)
	$(BIN)/python scripts/soak.py $(or $(N),20)

report: setup
	$(BIN)/python scripts/report.py $(or $(DIR),$(RUNS)/digits_fair.tuned)

# The report of the demo at the widths of a phone, a tablet and two screens, and its curve after n trials, into docs/img; needs Chromium.
pictures: demo
	for size in 390,2300 768,1200 1400,1300 1920,1200; do chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=$$size \
	  --screenshot=docs/img/report_$${size%,*}.png "file://$$(realpath $$(ls -td $(RUNS)/digits_fair.tuned/reports/*/report.html | head -n 1))"; done
	cp "$$(ls -td $(RUNS)/digits_fair.tuned/reports/*/figures/after_trials.svg | head -n 1)" docs/img/fair_crossing.svg
	$(BIN)/python -c 'import sys; from PIL import Image; [Image.open(name).convert("RGB").quantize(96, Image.Quantize.MAXCOVERAGE).save(name, optimize=True) for name in sys.argv[1:]]' docs/img/report_*.png

# The reality check (docs/reality_check.md): what is missing of each experiment, LOSSBENCH_DATA being the folder of the data. Takes hours; repeated it goes on.
reality: setup
	OMP_NUM_THREADS=1 $(BIN)/python scripts/reality.py run $(NAMES)
	$(BIN)/python scripts/reality.py collect $(NAMES)

# Its figures and tables, from docs/reality/ alone.
reality-figures: setup
	$(BIN)/python scripts/reality.py show

tensorboard: setup
	$(BIN)/tensorboard --logdir $(RUNS)

bench: setup
	$(BIN)/python scripts/bench.py step
	$(BIN)/python scripts/bench.py losses

# Sphinx, as the one with stable releases in 2026: Zensical is 0.x, and its API pages need MkDocs 1.6, which is unmaintained.
# Every page is read again, so that a warning (a broken link, a missing page) fails each time.
docs: .venv/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --quiet -c docs -d build/doctrees . build/site
	@echo build/site/index.html

.venv/.docs: .venv/.ready requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	touch $@

# Pin everything anew; needs uv.
pins:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group docs --constraint requirements.txt -o requirements-docs.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group optional --constraint requirements.txt pyproject.toml -o requirements-optional.txt

clean:
	rm -rf .venv build dist src/*.egg-info
