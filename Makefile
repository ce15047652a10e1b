# make demo      train a network without a backward pass (makes .venv on the first call)
# make demo-mpi  train a network alone, by two processes of an MPI and by two of an executor, who must end with the same
#                bits (installs mpi4py, MPICH and scikit-learn; ARGS="--steps 1000")
# make data      fetch Fashion-MNIST and the novels of Jane Austen from Debian's packages into data/, unless they are installed
# make test      all tests and doctests
# make lint      ruff: rules and format; mypy and pyright: a user's programs, and the share of names with types
# make docs      the documentation, in docs/_build/html; warnings are errors
# make test-pages  the tests of the pages that make docs has built, in Chromium; and of what the course shows in notebooks
# make slides    the slides of the course, a deck for each lesson, in docs/_build/slides
# make docs-live  the lessons as notebooks for a browser (JupyterLite, in docs/_build/live); what can be tried without a
#                network is (installs jupyterlite and, by npm, Pyodide)
# make coverage  rewrite docs/coverage.md from the rule tables
# make api       rewrite docs/api/index.md from the public names
# make verification  rewrite docs/verification.md: claims beside exact values, errata, planted faults
# make tutorial  rewrite what docs/verify-your-estimator.md shows of examples/verified (installs
#                PyTorch and JAX)
# make accuracy  rewrite docs/accuracy.md: the worst error of every function; ARGS=--check a part, --full all of it, writing
#                nothing; ARGS="--only tanh" one function and its row; ARGS=--rivals measures JAX and PyTorch again
#                (installs them)
# make dist      the source distribution and the wheel, in dist; checked, installed beside NumPy alone, and tried there
# make compare   rewrite docs/compare.md, dualgrad beside other libraries; ARGS=--measure asks those again (installs them)
# make torch     rewrite docs/torch.md, torch's layers, losses, optimizers and schedules beside ours; ARGS=--measure asks torch
#                for its names again (installs it)
# make figures   draw the figures of docs/figures.md anew; ARGS=--check says whether one would change, ARGS=tangent draws one
# make papers    rewrite the tables and figures of docs/papers from the runs in examples/results; ARGS=--status what is
#                outstanding and how long it takes, ARGS=--run makes it, ARGS="--run text-music" that of one study
# make bench     the speed table against JAX, PyTorch and HIPS autograd (installs them)
# make bench-smoke  the same script with dualgrad alone and a few rounds: says that it runs, not how fast anything is
# make test-fronts  the tests of the kit over PyTorch's and JAX's random numbers (installs them); make test skips them
#                where they are missing
# make test-workers  the tests of several workers over MPI, loky and dask (installs them); make test skips them where
#                they are missing
# make test-oldest  the tests of the rules, with fewer random examples, on the oldest NumPy that is supported, in
#                .venv-oldest
# make test-newest  the same tests and those of Dual and jvp on the newest NumPy under every Python above 3.11 that is
#                found by name or among pyenv's, in .venv-newest-3.12 and so on; RULES_ON="3.13" leaves the rules to that
#                one, since NumPy is the same under each
# make elsewhere  what estimators of other packages claim, and what enumeration and sampling find: prints it, and
#                rewrites the tables of docs/estimators-elsewhere.md; in .venv-elsewhere, with the versions that
#                pyproject.toml pins (about 5 minutes; ARGS="--only optax" one package)
# make test-gpu  the tests that need CuPy and a CUDA device
# make clean     remove .venv and everything built
#
# Each goal installs what it needs into .venv, once; test-oldest, test-newest and elsewhere into
# their own. To use an interpreter
# that has it all already:
#   make test-gpu PYTHON=python3

VENV := .venv
PYTHON ?= $(VENV)/bin/python
JOBS ?= 2

# ready,NAME: the stamp that says NAME's packages are in .venv, or nothing where PYTHON was given.
ready = $(if $(filter $(VENV)/bin/python,$(PYTHON)),$(VENV)/.ready-$(1))
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

NEWER := 3.12 3.13 3.14 3.15
RULES_ON ?= $(NEWER)

.PHONY: demo demo-mpi data test test-fronts test-workers test-oldest test-newest $(NEWER:%=test-newest-%) newest test-gpu \
        test-pages lint docs docs-live slides figures coverage api verification tutorial elsewhere accuracy compare torch papers dist bench \
        bench-smoke clean
.DELETE_ON_ERROR:

demo: $(call ready,examples)
	$(PYTHON) examples/digits.py $(ARGS)

MPIEXEC ?= $(patsubst ./,,$(dir $(PYTHON)))mpiexec
SHARED := examples/distributed_digits.py --digest output/digest $(ARGS)

demo-mpi: $(call ready,mpi)
	@mkdir -p output && rm -f output/digest
	$(PYTHON) $(SHARED)
	$(MPIEXEC) -n 2 $(PYTHON) -m mpi4py $(SHARED)
	$(PYTHON) $(SHARED) --executor processes

data:
	examples/fetch_data.sh

test: $(call ready,test)
	OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -n $(JOBS) --dist worksteal $(ARGS)
	$(PYTHON) -m pytest -q --doctest-modules dualgrad $(addprefix --ignore-glob=*/fronts/,torch_* jax_*)

FRONT_TESTS := $(addprefix tests/testing/test_, torch_front.py jax_front.py watch.py catalogue.py) \
               tests/optim/test_of_torch.py tests/repository/test_torch_names.py \
               $(addprefix tests/nn/test_, losses_of_torch.py layers_beside_torch.py recurrent_of_torch.py \
               attention_of_torch.py)

test-fronts: $(call ready,fronts)
	OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -q $(FRONT_TESTS) $(ARGS)

test-workers: $(call ready,mpi)
	OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -q tests/workers/test_engines.py $(ARGS)

RULE_TESTS := $(addprefix tests/rules/test_, rules.py conventions.py arrays.py linalg.py statistics.py calls.py)
PYTHON_TESTS := tests/test_dual.py tests/transforms/test_transforms.py tests/test_hints.py tests/rules/test_calls.py
NEWEST_TESTS := $(sort $(RULE_TESTS) $(addprefix tests/rules/test_, fuzz.py conditioning.py) $(PYTHON_TESTS))

test-oldest: $(VENV)-oldest/.ready
	OPENBLAS_NUM_THREADS=1 HYPOTHESIS_PROFILE=lean $(VENV)-oldest/bin/python -m pytest -q -n $(JOBS) $(RULE_TESTS) $(ARGS)

test-newest: $(NEWER:%=test-newest-%)

# pyenv's shims stand in PATH also for versions that are not chosen, and fail.
$(NEWER:%=test-newest-%): test-newest-%:
	@for python in python$* "$$(pyenv root 2>/dev/null)"/versions/$*.*/bin/python$*; do \
	  if "$$python" -c '' 2>/dev/null; then \
	    echo "the newest NumPy under $$python"; \
	    exec $(MAKE) --no-print-directory newest VERSION=$* BASE="$$python"; \
	  fi; \
	done; \
	echo "no python$* here: skipped"

newest: $(VENV)-newest-$(VERSION)/.ready
	OPENBLAS_NUM_THREADS=1 HYPOTHESIS_PROFILE=lean $(VENV)-newest-$(VERSION)/bin/python -m pytest -q -n $(JOBS) \
	  $(if $(filter $(VERSION),$(RULES_ON)),$(NEWEST_TESTS),$(PYTHON_TESTS)) $(ARGS)

test-gpu: $(call ready,test)
	$(PYTHON) -m pytest -m gpu $(ARGS)

lint: $(call ready,lint)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict tests/typing_user.py
	$(PYTHON) -m pyright --pythonpath $(PYTHON) tests/typing_user.py
	$(PYTHON) -m docs.type_completeness

docs-live: $(call ready,live)
	npm install --silent --no-fund --no-audit --prefix docs/_build pyodide || echo "Pyodide cannot be fetched here."
	$(PYTHON) docs/make_live.py $(ARGS)

test-pages: $(call ready,docs) $(call ready,test)
	DUALGRAD_PAGES=docs/_build/html $(PYTHON) -m pytest -q tests/repository/test_pages_in_a_browser.py \
	  tests/repository/test_plain_notebooks.py tests/course/test_grader.py::test_a_cell_shows_a_card_once $(ARGS)

slides: $(call ready,docs)
	$(PYTHON) docs/make_slides.py

docs: $(call ready,docs)
	$(PYTHON) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

coverage: $(call ready,docs)
	$(PYTHON) docs/make_coverage.py $(ARGS)

api: $(call ready,docs)
	$(PYTHON) docs/make_api.py $(ARGS)

verification: $(call ready,test)
	$(PYTHON) docs/make_verification.py $(ARGS)

tutorial: $(call ready,fronts)
	$(PYTHON) docs/make_tutorial.py $(ARGS)

accuracy: $(call ready,test) $(if $(findstring --rivals,$(ARGS)),$(call ready,bench))
	OPENBLAS_NUM_THREADS=1 $(PYTHON) docs/make_accuracy.py $(ARGS)

dist: $(call ready,dist)
	$(PYTHON) docs/check_dist.py

compare: $(call ready,test) $(if $(findstring --measure,$(ARGS)),$(call ready,compare))
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(PYTHON) docs/make_compare.py $(ARGS)

torch: $(call ready,test) $(if $(findstring --measure,$(ARGS)),$(call ready,fronts))
	$(PYTHON) docs/make_torch.py $(ARGS)

figures: $(call ready,docs)
	$(PYTHON) docs/figures/write.py $(ARGS)

papers: $(call ready,test)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(PYTHON) docs/make_papers.py $(ARGS)

bench: $(call ready,bench)
	$(PYTHON) examples/benchmarks/bench.py $(ARGS)

bench-smoke: $(call ready,test)
	$(PYTHON) examples/benchmarks/bench.py --smoke

elsewhere: $(VENV)-elsewhere/.ready
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(VENV)-elsewhere/bin/python examples/estimators_elsewhere.py $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-elsewhere $(VENV)-oldest $(VENV)-newest-* build dist docs/_build output .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Dependency groups need pip 25.1, and venv brings an older one.
$(VENV)/.ready-pip:
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dualgrad needs Python 3.11 or newer")'
	python3 -m venv $(VENV)
	$(PIP) --upgrade "pip>=25.1"
	touch $@

$(VENV)/.ready-examples: pyproject.toml | $(VENV)/.ready-pip
	$(PIP) --editable ".[examples]"
	touch $@

$(addprefix $(VENV)/.ready-,lint test fronts mpi docs live dist bench compare): $(VENV)/.ready-%: pyproject.toml | $(VENV)/.ready-pip
	$(PIP) --editable . --group $*
	touch $@

$(VENV)-oldest/.ready: pyproject.toml | $(VENV)/.ready-pip
	python3 -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group oldest
	touch $@

$(VENV)-elsewhere/.ready: pyproject.toml | $(VENV)/.ready-pip
	python3 -m venv $(VENV)-elsewhere
	$(VENV)-elsewhere/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(VENV)-elsewhere/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group elsewhere
	touch $@

$(VENV)-newest-$(VERSION)/.ready: pyproject.toml
	$(BASE) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --editable . --group newest
	touch $@
