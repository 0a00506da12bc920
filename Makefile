# The front door. Everything is built by CMake and Ninja; the targets here only name what people want done.
# `make help` lists them.

JOBS ?= $(shell nproc)
# Tests compute on two threads themselves, but two at once fill each other's gaps: reading, writing, waiting.
TEST_JOBS ?= 2
TEST_FILTER ?=
FUZZ_SECONDS ?= 10
# What `make test` grants to each fuzz target.
FUZZ_SHORT ?= 3
PREFIX ?= /usr/local
DEMO ?= demo-run
MUTANT ?=
# What `make check-cpu` tries: all that this processor has.
CPU_LEVELS ?= $(shell scripts/cpu-levels)
# For `make debian`.
SUITE ?=
COMMAND ?=

CTEST = ctest -j$(TEST_JOBS) --output-on-failure --no-tests=error $(if $(TEST_FILTER),-R '$(TEST_FILTER)')

.DEFAULT_GOAL := all
.PHONY: all bootstrap bootstrap-test build-tests demo test check test-browser check-cpu debian asan ubsan tsan coverage fuzz mutants \
        matrix bench format format-fix tidy layers abi api-docs install package clean help

# CMake configures once; after that Ninja itself notices what changed, new files included. The command needs fewer
# packages than the tests, so build/ is without tests until they are asked for.
build%/build.ninja: CMakePresets.json | bootstrap-test
	cmake --preset $(*:-%=%)
build/build.ninja: CMakePresets.json
	cmake --preset release -DOC_TESTS=OFF

all: build/build.ninja ## the command build/ocelli and libocelli
	ninja -C build -j$(JOBS) command ocelli_static ocelli_shared

bootstrap: ## install the Debian packages that a build needs and that are missing
	@scripts/bootstrap build
bootstrap-test:
	@scripts/bootstrap build test

build-tests: bootstrap-test
	cmake --preset release -DOC_TESTS=ON
	ninja -C build -j$(JOBS)

demo: bootstrap ## set up, build, make a data set, train on it, evaluate (DEMO=folder)
	@$(MAKE) --no-print-directory all
	scripts/demo $(DEMO)

test: build-tests ## set up, build, run every test and each fuzz target shortly
	cd build && $(CTEST)
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=$(FUZZ_SHORT)

check: build-tests ## the quick tests, in under a minute
	cd build && $(CTEST) -L quick

test-browser: bootstrap ## set up a browser, and open the report, the live page and the classifying page in it
	@scripts/bootstrap browser
	@$(MAKE) --no-print-directory all
	scripts/test-browser build

check-cpu: build-tests ## the quick tests once for every instruction set of this processor, by OC_CPU (CPU_LEVELS=)
	@test -n "$(CPU_LEVELS)"
	@failed=; for level in $(CPU_LEVELS); do \
	    echo "check-cpu: OC_CPU=$$level"; \
	    (cd build && OC_CPU=$$level $(CTEST) -L quick) || failed="$$failed $$level"; \
	done; \
	[ -z "$$failed" ] || { echo "check-cpu: tests fail at:$$failed" >&2; exit 1; }

debian: ## demo and test, or COMMAND, on the last commit in a fresh Debian (SUITE=bookworm or trixie), as root
	@scripts/bootstrap debian
	scripts/debian $(SUITE) $(COMMAND)

asan: build-asan/build.ninja ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	ninja -C build-asan -j$(JOBS)
	cd build-asan && $(CTEST)

ubsan: build-ubsan/build.ninja ## every test under UndefinedBehaviorSanitizer alone
	ninja -C build-ubsan -j$(JOBS)
	cd build-ubsan && $(CTEST)

tsan: build-tsan/build.ninja ## every test under ThreadSanitizer, the parallel-for on pthreads
	ninja -C build-tsan -j$(JOBS)
	cd build-tsan && $(CTEST)

coverage: build-coverage/build.ninja ## every test, then the share of lines that ran, file by file
	ninja -C build-coverage -j$(JOBS)
	cd build-coverage && $(CTEST)
	scripts/coverage build-coverage

fuzz: build-fuzz/build.ninja ## each fuzz target for FUZZ_SECONDS (10)
	ninja -C build-fuzz -j$(JOBS)
	scripts/fuzz build-fuzz $(FUZZ_SECONDS)

mutants: bootstrap-test ## build deliberately wrong variants and see that the tests catch each (MUTANT=name for one)
	scripts/mutants $(MUTANT)

matrix: all ## one step of every model over sizes, batches, classes and instruction sets
	scripts/matrix

bench: all ## the speed of the models on this machine
	scripts/bench

format: ## check the formatting
	@scripts/format
format-fix: ## rewrite what `make format` complains about
	@scripts/format --fix

tidy: build-tidy/build.ninja ## clang's warnings and clang-tidy over the library, the command and the tests
	scripts/tidy build-tidy $(JOBS)

layers: ## see that no folder includes what it may not
	@scripts/layers

abi: ## see that programs linked with the last release run with the library as it is now
	@scripts/bootstrap build abi
	cmake --preset abi
	ninja -C build-abi -j$(JOBS) ocelli_shared
	scripts/abi

api-docs: ## pages of the library's reference, in build/api-docs/html
	@scripts/bootstrap docs
	@mkdir -p build/api-docs
	OC_VERSION=$$(scripts/version) doxygen docs/Doxyfile

install: all ## library, headers, command, manual pages, completions, under PREFIX (/usr/local); DESTDIR is heeded
	cmake --install build --prefix $(PREFIX)

package: ## Debian packages of the command, the library and its development files, in build/
	@scripts/bootstrap build package
	cmake --preset package
	ninja -C build-package -j$(JOBS)
	cmake -E make_directory build
	cpack --config build-package/CPackConfig.cmake
	@ls build/*.deb

clean: ## remove every build folder
	rm -rf build build-asan build-ubsan build-tsan build-coverage build-fuzz build-tidy build-package \
	    build-abi

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
