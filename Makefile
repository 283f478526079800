# What a person types. `make help` lists it.

# Arguments for `make run`, for example ARGS="--override log.dirs=/tmp/logs".
ARGS ?=

# The clients that `make clients` drives, of the folders in tests/clients; all of them if none is named.
CLIENTS ?=

# The tortures that `make torture` runs, all of them if none is named; the seed of their random choices; and
# for the long form LONG=1, one hour in all, or HOURS= as many as wanted.
PARTS ?=
SEED ?=
LONG ?=
HOURS ?=

# The experiments that `make bench` runs, all of them if none is named; how many rounds; SHORT=1 for two
# short ones, LONG=1 to count instructions, too, HOURS= to watch memory for that long; WRITE=1 to print the
# figures into docs/*/benchmarks.md.
EXPERIMENTS ?=
ROUNDS ?=
SHORT ?=
WRITE ?=

# Where `make live` keeps pictures of the page, if anywhere.
SHOTS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: run test check fmt fmt-check lint doc strace live clients torture sabotage installation bench help clean tools

run: tools            ## Build the release binary and start the broker (ARGS= passes arguments, RUST_LOG= sets the log)
	@cargo build --release
	@exec ./target/release/transferto $(ARGS)

test: tools           ## Run all tests
	cargo test

check: fmt-check lint test doc  ## All that continuous integration runs

fmt: tools            ## Format the source
	cargo fmt --all

fmt-check: tools      ## Fail if the source is not formatted
	cargo fmt --all --check

lint: tools           ## Fail on any warning of clippy
	cargo clippy --workspace --all-targets -- -D warnings

doc: tools            ## Build the documentation of the source, fail on any broken link
	RUSTDOCFLAGS="--cfg house -D warnings -A missing_docs" cargo doc --no-deps --document-private-items

strace: tools         ## Show a fetch leaving as sendfile(2): a test runs the broker under strace, checks the trace and prints it
	@command -v strace >/dev/null || { \
		echo "make strace needs strace, for example: apt-get install strace" >&2; exit 1; }
	@echo "Building the broker and the test that runs it; the first time takes a minute or two."
	@cargo test --quiet --test process strace -- --nocapture

live: tools           ## Open the page that shows the path at work in a real Chromium, check what it shows (SHOTS= keeps pictures)
	@if python3 tests/live/browser.py; then \
		cargo build --release && SHOTS="$(SHOTS)" python3 tests/live/live_test.py; fi

clients: tools        ## Drive real clients against the release binary, print the grid of docs/en/clients.md (CLIENTS="kcat java-4" chooses, RECORDS= sets how many records)
	@for tool in python3 kcat java mvn $(if $(CLIENTS),,go node npm); do command -v $$tool >/dev/null || { \
		echo "make clients needs kcat, Java 17, Maven, Go, Node and Python: $$tool is missing" >&2; exit 1; }; done
	@python3 tests/clients/grid_test.py --quiet
	@cargo build --release
	@tests/clients/run.sh $(CLIENTS)

torture: tools        ## Kill, damage, starve and flood the release binary, count what is lost (PARTS="kill fuzz" chooses, SEED= repeats a run, LONG=1 or HOURS= goes on)
	@command -v strace prlimit >/dev/null || { \
		echo "make torture needs strace and prlimit, for example: apt-get install strace util-linux" >&2; exit 1; }
	@echo "Building the broker and its tortures; the first time takes a minute or two."
	@cargo build --quiet --release --package transferto --package torture
	@SEED="$(SEED)" LONG="$(LONG)" HOURS="$(HOURS)" ./target/release/torture $(PARTS)
	@$(if $(PARTS),,$(MAKE) --no-print-directory sabotage)

sabotage: tools       ## Show that the tortures notice a broker that acknowledges early or skips an fsync (part of make torture)
	@echo "Building a broker that is broken on purpose, in target/sabotage."
	@RUSTFLAGS="--cfg sabotage" cargo build --quiet --package transferto --target-dir target/sabotage
	@cargo build --quiet --release --package torture
	@SEED="$(SEED)" SABOTAGED=target/sabotage/debug/transferto ./target/release/torture

installation: tools   ## Install the binary from a clean clone by the steps of docs/deploy/Dockerfile, run it alone in an empty root
	@tests/deploy/run.sh

bench: tools          ## Measure the release binary beside a bare sendfile loop, nginx and Apache Kafka (EXPERIMENTS="catch-up produce" chooses, ROUNDS=, SHORT=1, LONG=1, HOURS=; WRITE=1 prints docs/*/benchmarks.md)
	@echo "Building the broker and what measures it; the first time takes a minute or two."
	@cargo build --quiet --release --package transferto --package bench
	@echo "$(if $(EXPERIMENTS),,All experiments take about $(if $(SHORT),four,seventeen) minutes on two cores. )Leave the machine alone meanwhile."
	@ROUNDS="$(ROUNDS)" SHORT="$(SHORT)" LONG="$(LONG)" HOURS="$(HOURS)" WRITE="$(WRITE)" ./target/release/bench $(EXPERIMENTS)

clean:                ## Remove what was built; the broker's ./data stays
	cargo clean

help:                 ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# What a fresh machine may lack, and how to get it.
tools:
	@command -v cargo >/dev/null || { \
		if [ -x "$$HOME/.cargo/bin/cargo" ]; then \
			echo "cargo is installed but not on the PATH; run: . \"$$HOME/.cargo/env\"" >&2; \
		else \
			echo "cargo is missing; get Rust from https://rustup.rs:" >&2; \
			echo "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2; \
		fi; exit 1; }
	@command -v cc >/dev/null || { \
		echo "cc, a C compiler, is missing (zstd is written in C); get it for example with:" >&2; \
		echo "  apt-get install build-essential    or    dnf install gcc" >&2; exit 1; }
