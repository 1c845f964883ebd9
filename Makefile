# Everything runs in .venv, which is made from requirements.lock on first use.
# PYTHON=/path/to/python chooses the interpreter it is made with (3.10 to 3.13).

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
COMPAT := .venv-compat
CODE := mobilebert_tf export benchmarks android_demo tests setup.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-slow compat mediapipe android apk lint types tree clean-demo lock

help: ## show this list
	@echo "make demo        train, distil, shrink and verify a small MobileBERT; ends with a table and a report (about 10 minutes)"
	@echo "make test        the fast tests"
	@echo "make test-all    also the slow ones, the report in a browser, the wheel"
	@echo "make test-slow   of these only what make test leaves out"
	@echo "make compat      the .tflite files on tflite-runtime 2.14: each right or refused (EXPORT=DIRECTORY of export)"
	@echo "make mediapipe   whether MediaPipe gives the same scores as LiteRT for the demo's classifier (installs 1.6 GB)"
	@echo "make android     build and test the Android app, without an Android SDK (JDK 17, Maven; fetches 700 MB once;"
	@echo "                 ANDROID_APP=no: its core alone, 110 MB)"
	@echo "make apk         a debug APK of it with the exports inside (zipalign, apksigner; after make android)"
	@echo "make lint        ruff, and which package may import which"
	@echo "make types       mypy"
	@echo "make clean-demo  delete demo/ and demo-compat/, so that make demo starts over"
	@echo "make lock        work out requirements.lock again from setup.py"
	@echo
	@echo "The first of them installs everything into .venv. PYTHON=... chooses the interpreter (3.10 to 3.13)."

demo: $(STAMP)
	@$(BIN)/mobilebert-tf pipeline --flagfile=demo.flags

clean-demo:
	rm -rf demo demo-compat

# A process a core, each with its own TensorFlow, four at most: they want 6 GB. Tests stay in the order of their files, and
# a process that has none left takes some from the end of another's.
WORKERS := -n auto --maxprocesses=4 --dist=worksteal

test: $(STAMP)
	@$(BIN)/python -m pytest -q $(WORKERS)

# All but what needs an environment of its own: those tests are skipped without it and are run by their marks.
ELSEWHERE := transformers or minilm or compat or beam or android or adb or peers or mediapipe

test-all: $(STAMP)
	@$(BIN)/python -m pytest -q $(WORKERS) -m "not ($(ELSEWHERE))"

test-slow: $(STAMP)
	@$(BIN)/python -m pytest -q $(WORKERS) -m "(slow or browser or wheel) and not ($(ELSEWHERE))"

# Without EXPORT: the demo's classifier by the recipes that an old runtime must take, and two that it must refuse.
OLD := float32,float16,dynamic_int8_per_tensor,static_int8_per_tensor
compat: $(STAMP) $(COMPAT)/installed
	@set -e; \
	if [ -z "$(EXPORT)" ]; then \
		if [ ! -f demo/classifier/run.json ]; then \
			echo "make: there is no demo/classifier; make demo first, or give EXPORT=DIRECTORY of mobilebert-tf export" >&2; \
			exit 1; \
		fi; \
		$(BIN)/mobilebert-tf export --model=demo/classifier --output=demo-compat \
			--evaluation=demo/corpus/sentences/eval.tsv --calibration=demo/corpus/sentences/train.tsv \
			--recipes=$(OLD),dynamic_int8,static_int8; \
	fi; \
	$(BIN)/mobilebert-tf export verify $(or $(EXPORT),demo-compat) --python=$(COMPAT)/bin/python \
		--must_run=$(if $(EXPORT),,$(OLD))

# tflite-runtime has wheels up to Python 3.11, for NumPy 1. uv is asked where the PATH has no such Python.
$(COMPAT)/installed:
	@set -e; \
	python=; \
	wanted=$${COMPAT_PYTHON:-python3.11 python3.10 $$(uv python find -q 3.11 2> /dev/null || true)}; \
	fits='import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))'; \
	for candidate in $$wanted; do \
		if "$$candidate" -c "$$fits" 2> /dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python$$COMPAT_PYTHON" ] && command -v uv > /dev/null && uv python install 3.11; then \
		python=$$(uv python find -q 3.11); \
	fi; \
	if [ -z "$$python" ]; then \
		echo "make: tflite-runtime 2.14 needs Python 3.10 or 3.11, which is not there ($$wanted); install it, or uv," \
			"which fetches it (pip install uv), or give COMPAT_PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	echo "Installing tflite-runtime 2.14 into $(COMPAT) with $$("$$python" -V) ..."; \
	"$$python" -m venv --clear $(COMPAT); \
	if ! $(COMPAT)/bin/python -m pip install -q --disable-pip-version-check 'tflite-runtime==2.14.0' 'numpy<2'; then \
		echo "make: tflite-runtime 2.14.0 cannot be installed; there are wheels for Linux on x86-64 and ARM" >&2; \
		exit 1; \
	fi; \
	touch $@

# FILE=app/mediapipe.tflite TABLE=dev.tsv holds a file of your own against MediaPipe.
MEDIAPIPE := .venv-mediapipe
FILE := $(MEDIAPIPE)/demo/mediapipe.tflite
TABLE := demo/corpus/sentences/eval.tsv

mediapipe: $(STAMP)
	@set -e; \
	if [ "$(FILE)" = "$(MEDIAPIPE)/demo/mediapipe.tflite" ]; then \
		if [ ! -e demo/classifier/task.json ]; then \
			echo "make: there is no demo/classifier; make demo makes it, or give FILE=....tflite TABLE=....tsv" >&2; \
			exit 1; \
		fi; \
		rm -rf $(MEDIAPIPE)/demo; \
		$(BIN)/mobilebert-tf export --model=demo/classifier --evaluation=$(TABLE) --recipes=mediapipe \
			--output=$(MEDIAPIPE)/demo; \
	fi; \
	$(BIN)/python -m mobilebert_tf.export.mediapipe.agreement $(FILE) $(TABLE) $(MEDIAPIPE)

# No Python is needed. pytest -m android compares it with Python on more texts.
# ANDROID_APP=no leaves out what needs Robolectric and TensorFlow Lite: the app itself, on a made-up phone.
# EXPORTS=DIRECTORY has exports to run the app on; left out: those that `export --android_demo` put into it.
ANDROID_APP := yes
EXPORTS :=
check_exports = if [ -n "$(EXPORTS)" ] && ! ls "$(EXPORTS)"/*/*.contract.json > /dev/null 2>&1; then \
		echo "make: EXPORTS=$(EXPORTS) holds no export; name the directory above the one that mobilebert-tf export wrote" >&2; \
		exit 1; \
	fi

android:
	@set -e; $(check_exports); \
	for program in java mvn; do \
		if ! command -v $$program > /dev/null; then \
			echo "make: $$program is not on the PATH; on Debian: apt-get install openjdk-17-jdk-headless maven" >&2; \
			exit 1; \
		fi; \
	done; \
	versions=$$(mvn --version) || { echo "make: mvn does not start; set JAVA_HOME to a JDK 17 or later" >&2; exit 1; }; \
	java=$$(echo "$$versions" | sed -n 's/^Java version: \(1\.\)*\([0-9]*\).*/\2/p'); \
	maven=$$(echo "$$versions" | sed -n 's/.*Apache Maven \([0-9]*\)\.\([0-9]*\).*/\1 \2/p'); \
	if [ "$${java:-0}" -lt 17 ]; then \
		echo "make: Maven runs on Java $${java:-unknown}, 17 or later is needed; set JAVA_HOME, or install openjdk-17-jdk-headless" >&2; \
		exit 1; \
	fi; \
	set -- $${maven:-0 0}; \
	if [ "$$1" -lt 3 ] || { [ "$$1" -eq 3 ] && [ "$$2" -lt 8 ]; }; then \
		echo "make: Maven $$1.$$2 is too old; 3.8 or later is needed" >&2; \
		exit 1; \
	fi; \
	if [ ! -d "$${HOME}/.m2/repository/org/jetbrains/kotlin/kotlin-maven-plugin" ]; then \
		echo "Fetching Kotlin, JUnit and Maven's plugins from Maven Central into ~/.m2: 110 MB, once ..."; \
	fi; \
	modules=; \
	if [ "$(ANDROID_APP)" = no ]; then \
		modules="-pl core"; \
	elif [ ! -d "$${HOME}/.m2/repository/org/robolectric/android-all" ]; then \
		echo "Fetching Android's classes, Robolectric and TensorFlow Lite, too: 590 MB, once (ANDROID_APP=no: without) ..."; \
	fi; \
	cd android_demo && mvn -B -ntp $$modules verify $(if $(EXPORTS),-Ddemo.exports='$(abspath $(EXPORTS))')

# Only what the APK needs is built again; make android has tested it.
apk:
	@set -e; $(check_exports); \
	for program in java mvn keytool zipalign apksigner; do \
		if ! command -v $$program > /dev/null; then \
			echo "make: $$program is not on the PATH; on Debian: apt-get install openjdk-17-jdk-headless maven zipalign apksigner" >&2; \
			exit 1; \
		fi; \
	done; \
	cd android_demo && mvn -B -ntp -q -Papk -pl maven/apk -am verify -Dmaven.test.skip=true -Dktlint.skip=true $(if $(EXPORTS),-Ddemo.exports='$(abspath $(EXPORTS))'); \
	ls -l "$$PWD/maven/apk/target/mobilebert-debug.apk" | awk '{ printf "%s: %.1f MB\n", $$NF, $$5 / 1e6 }'; \
	echo "next: adb install $$PWD/maven/apk/target/mobilebert-debug.apk"

lint: tree
	@$(BIN)/ruff check $(CODE)
	@cd $(VENV)/types && PYTHONPATH=. ../bin/lint-imports --no-cache $(CURDIR)/pyproject.toml

types: tree
	@cd $(VENV)/types && ../bin/mypy --config-file $(CURDIR)/pyproject.toml -p mobilebert_tf

# Neither knows of setup.py's package map, so they read a tree of links that has its form.
tree: $(STAMP)
	@rm -rf $(VENV)/types && mkdir -p $(VENV)/types/mobilebert_tf
	@ln -s $(CURDIR)/mobilebert_tf/* $(CURDIR)/export $(CURDIR)/benchmarks $(VENV)/types/mobilebert_tf/

# A universal resolution: one file, environment markers where the Pythons differ. uv takes no
# notice of the upper end of Requires-Python, and backports-strenum 1.3 is for Python 3.10 alone.
lock: $(STAMP)
	@$(BIN)/python -m pip install -q uv
	@echo "backports-strenum<1.3" > $(VENV)/constraints.txt
	@{ sed -n 1p requirements.lock; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --extra dev --no-header --no-annotate \
		--constraint $(VENV)/constraints.txt setup.py; } > $(VENV)/requirements.lock
	@cp $(VENV)/requirements.lock requirements.lock
	@echo "requirements.lock is written; the next target installs from it"

# The stamp is written last: an interrupted installation is begun again.
$(STAMP): requirements.lock setup.py
	@set -e; \
	rm -f $@; \
	python=; \
	for candidate in $${PYTHON:-python3.13 python3.12 python3.11 python3.10 python3}; do \
		if "$$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2> /dev/null; then \
			python=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "make: $${PYTHON:-no python3 on the PATH} is a working Python 3.10 to 3.13; give one with PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2> /dev/null; then \
		echo "make: $$python lacks the modules venv and ensurepip (on Debian: the package python3-venv)" >&2; \
		exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$python" -V): 1.5 GB, 2 to 5 minutes with a good connection ..."; \
	"$$python" -m venv --clear $(VENV); \
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock; \
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	touch $@
