# What a person types. `make help` lists it.

# Arguments for `make run`, for example ARGS="--override log.dirs=/tmp/logs".
ARGS ?=

# The first of the seven ports of `make cluster` and `make cluster-mixed`; TRY=1 has the latter tried by itself.
PORT ?=
TRY ?=

# For `make day`: whether to keep the cluster's directory when all is well, and how many times as patient to be.
KEEP ?=
SLOW ?=

# The lessons that `make lesson` plays, such as LESSON=forgotten-edges; without one it lists them.
LESSON ?=

# The kernels that `make ktls` boots: stock (Debian's own) and rekey (one that changes keys); both if none is named.
KERNELS ?=

# The clients that `make clients` drives, of the folders in tests/clients; all of them if none is named.
CLIENTS ?=
# How they reach the broker: `none` is PLAINTEXT only, `some` a part of the ways over TLS and with SASL, `all` all
# of those; without one `none`, then `some`. `cluster` takes four clients to three brokers that restart.
SECURITY ?=

# The tortures that `make torture` runs, all of them if none is named; the seed of their random choices; and
# for the long form LONG=1, one hour in all, or HOURS= as many as wanted.
PARTS ?=
SEED ?=
LONG ?=
HOURS ?=

# The experiments that `make bench` or `make lab` runs, such as EXPERIMENTS="catch-up produce", all of them if none is
# named; how many rounds; SHORT=1 for two short ones, LONG=1 to count instructions, too, HOURS= to watch memory for
# that long; WRITE=1 to print the figures into docs/*/benchmarks.md or docs/*/lab.md; EARLIER= the broker's binary of an
# earlier commit, beside which request-costs counts.
EXPERIMENTS ?=
EARLIER ?=
ROUNDS ?=
SHORT ?=
WRITE ?=

# `make strace`: MODE=copy is without zero copy, both has the two side by side, 2016 the clients of that year.
# RECORD=1 prints docs/exhibits, COMPARE=1 holds a new recording to them.
# `make strace-kafka`: KAFKA=0.9.0.1, the post's, or 4.4.0 for one of the two; RECORD=1 and COMPARE=1 as above.
# `make strace-replication`, `make lost-record`: RECORD=1 and COMPARE=1 as well.
# `make picture`: COMPARE=1 holds a new recording to the steps in docs/exhibits, and draws nothing.
MODE ?=
RECORD ?=
COMPARE ?=
KAFKA ?=
# The exercise that `make exercise` does, such as 4.1; without one it lists them.
N ?=
# The language of exercises and lessons, L=zh or L=en; without it that of the locale.
L ?=
IN_LANGUAGE = $(if $(L),env LC_ALL=$(L))
# libunwind, by which strace finds the functions of a call, takes places in the file for addresses in memory;
# linkers other than GNU's make the two differ unless this is asked for.
STACKS := -C link-arg=-Wl,-z,separate-loadable-segments

# Where `make live` keeps pictures of the page, if anywhere.
SHOTS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: run cluster cluster-mixed day way-over test check fmt fmt-check lint doc strace strace-kafka strace-tls strace-replication lost-record picture exhibits live lesson exercise exercises
.PHONY: ktls clients torture sabotage installation bench lab help clean tools

run: tools            ## Build the release binary and start the broker (ARGS= passes arguments, RUST_LOG= sets the log)
	@cargo build --release
	@exec ./target/release/transferto $(ARGS)

cluster: tools        ## Start a cluster here: Apache Kafka's controller and three brokers, until Ctrl-C (PORT= is the first of seven ports)
	@cargo build --release
	@PORT="$(PORT)" exec tests/cluster/cluster.sh

cluster-mixed: tools  ## The same with two brokers of this kind and one of Apache Kafka's (PORT= as above; TRY=1 kills one of each kind and checks)
	@cargo build --release
	@PORT="$(PORT)" MIXED=1 exec $(if $(TRY),tests/cluster/mixed_test.sh,tests/cluster/cluster.sh)

day: tools            ## An operator's day in a cluster, by Kafka's tools alone and under load: each step a claim (KEEP=1 keeps logs, SLOW=2 is patient)
	@for tool in java mvn python3 strace openssl; do command -v $$tool >/dev/null || { \
		echo "make day needs Java 17, Maven, Python, strace and OpenSSL: $$tool is missing" >&2; exit 1; }; done
	@cargo build --release
	@KEEP="$(KEEP)" SLOW="$(or $(SLOW),1)" tests/cluster/day.sh

way-over: tools       ## Move a single node into a cluster by the steps of docs/en/cluster.md, word for word, under load (PORT= is the first of seven ports)
	@cargo build --release
	@PORT="$(PORT)" tests/cluster/way-over.sh

test: tools           ## Run all tests
	cargo test

check: fmt-check lint test doc  ## Format, lints, tests and documentation: what every change has to pass

fmt: tools            ## Format the source
	cargo fmt --all

fmt-check: tools      ## Fail if the source is not formatted
	cargo fmt --all --check

lint: tools           ## Fail on any warning of clippy
	cargo clippy --workspace --all-targets -- -D warnings

doc: tools            ## Build the documentation of the source, fail on any broken link
	RUSTDOCFLAGS="--cfg house -D warnings -A missing_docs" cargo doc --no-deps --document-private-items

strace: tools         ## Show a session, call by call; fails if a message byte is read (MODE=copy, both or 2016; RECORD=1, COMPARE=1)
	@echo "Building the broker and what records it; the first time takes a minute or two."
	@cargo build --package exhibits
	@cargo rustc --package transferto --bin transferto -- $(STACKS)
	@echo "A session takes about ten seconds, on a busy machine a minute."
	@./target/debug/exhibits strace $(if $(RECORD),--record,$(if $(COMPARE),--compare,$(MODE)))

strace-kafka: tools   ## The same session served by Apache Kafka beside this broker, call by call (KAFKA=0.9.0.1 or 4.4.0; RECORD=1, COMPARE=1)
	@echo "Building the broker and what records it; the first time takes two or three minutes."
	@cargo build --quiet --release --package exhibits
	@cargo rustc --quiet --release --package transferto --bin transferto -- $(STACKS)
	@echo "Both releases take about a minute. The first run fetches their jars, 70 MB, from Maven Central."
	@./target/release/exhibits strace-kafka $(if $(RECORD),--record,$(if $(COMPARE),--compare,$(KAFKA)))

strace-tls: tools     ## The same fetch over PLAINTEXT and over SSL, from Apache Kafka and from this broker (KAFKA=0.9.0.1, 4.4.0 or transferto; RECORD=1, COMPARE=1)
	@echo "Building the broker and what records it; the first time takes two or three minutes."
	@cargo build --quiet --release --package exhibits
	@cargo rustc --quiet --release --package transferto --bin transferto -- $(STACKS)
	@echo "Three brokers take about a minute. The first run fetches the jars of two releases, 70 MB, from Maven Central."
	@./target/release/exhibits strace-tls $(if $(RECORD),--record,$(if $(COMPARE),--compare,$(KAFKA)))

strace-replication: tools ## One record through a leader and its follower: Apache Kafka 0.9.0.1 beside this broker, call by call (RECORD=1, COMPARE=1)
	@echo "Building the broker and what records it; the first time takes two or three minutes."
	@cargo build --quiet --release --package exhibits --package transferto
	@echo "Both clusters take about a minute. The first run fetches the jars of two releases, 70 MB, from Maven Central."
	@./target/release/exhibits strace-replication $(if $(RECORD),--record,$(if $(COMPARE),--compare))

lost-record: tools    ## Two crashes in which Kafka 0.9 loses a record that all replicas had acknowledged, and this broker none (RECORD=1, COMPARE=1)
	@echo "Building the broker and what crashes it; the first time takes two or three minutes."
	@cargo build --quiet --release --package exhibits --package transferto
	@echo "Both scenes take about a minute and a half. The first run fetches the jars of two releases, 70 MB, from Maven Central."
	@./target/release/exhibits lost-record $(if $(RECORD),--record,$(if $(COMPARE),--compare))

picture: tools        ## Draw a produce, a fetch and a long poll from the broker's trace into docs/img (COMPARE=1)
	@echo "Building the broker and what draws it; the first time takes a minute or two."
	@cargo build --quiet --release --package transferto --package exhibits
	@./target/release/exhibits picture $(if $(COMPARE),--compare)

exhibits: tools       ## Record all that the pages show again, and print them (COMPARE=1 only holds the shapes)
	@$(MAKE) --no-print-directory strace strace-kafka strace-tls strace-replication picture $(if $(COMPARE),COMPARE=1,lost-record RECORD=1)
	@$(MAKE) --no-print-directory lab $(if $(COMPARE),SHORT=1,WRITE=1)
	@$(if $(COMPARE),,cargo test --quiet --test house || echo "Pages were printed anew: look at them, then run make test.")

lesson: tools         ## Switch a fault on, predict, and see it fail beside the broker as it is (LESSON=forgotten-edges; lists them without; L=zh in Chinese)
	@echo "Building the broker and its lessons; the first time takes a minute or two."
	@cargo build --quiet --release --package transferto --package exhibits
	@$(IN_LANGUAGE) ./target/release/exhibits lesson $(LESSON)

exercise: tools       ## Ask a question about the broker, and hold the answer to a running one (N=4.1; lists them without; L=zh in Chinese)
	@echo "Building the broker and its exercises; the first time takes a minute or two."
	@cargo build --quiet --package transferto --package exhibits
	@$(IN_LANGUAGE) ./target/debug/exhibits exercise $(N)

exercises: tools      ## Do all exercises without asking; fails if an answer does not hold
	@echo "Building the broker and its exercises; the first time takes a minute or two."
	@cargo build --quiet --package transferto --package exhibits
	@$(IN_LANGUAGE) ./target/debug/exhibits exercise all

live: tools           ## Open the page that shows the path at work in a real Chromium, check what it shows (SHOTS= keeps pictures)
	@if python3 tests/live/browser.py; then \
		cargo build --release && SHOTS="$(SHOTS)" python3 tests/live/live_test.py; fi

ktls: tools           ## Run the tests of TLS with the kernel encrypting, here if it can or else in QEMU (KERNELS=rekey chooses of stock rekey; RECORD=1)
	@KERNELS="$(KERNELS)" RECORD="$(RECORD)" tests/ktls/run.sh

clients: tools        ## Drive real clients, print the grid of docs/en/clients.md (CLIENTS="kcat java-4" chooses, SECURITY=all or cluster, RECORDS= per client)
	@for tool in python3 kcat openssl java keytool mvn $(if $(CLIENTS),,go node npm); do command -v $$tool >/dev/null || { \
		echo "make clients needs kcat, OpenSSL, Java 17, Maven, Go, Node and Python: $$tool is missing" >&2; exit 1; }; done
	@python3 tests/clients/grid_test.py --quiet
	@cargo build --release
	@SECURITY="$(SECURITY)" tests/clients/run.sh $(CLIENTS)

torture: tools        ## Kill, damage, starve and flood the broker, count what is lost (PARTS="kill fuzz" chooses, SEED=, LONG=1, HOURS=)
	@for tool in strace prlimit ip tc; do command -v $$tool >/dev/null || { \
		echo "make torture needs $$tool, for example: apt-get install strace util-linux iproute2" >&2; exit 1; }; done
	@echo "Building the broker and its tortures; the first time takes a minute or two."
	@cargo build --quiet --release --package transferto --package torture
	@SEED="$(SEED)" LONG="$(LONG)" HOURS="$(HOURS)" ./target/release/torture $(PARTS)
	@$(if $(PARTS),,$(MAKE) --no-print-directory sabotage)

sabotage: tools       ## Show that the tortures notice a broker that acknowledges early, skips an fsync or commits alone (part of make torture)
	@echo "Building a broker that is broken on purpose, in target/sabotage."
	@RUSTFLAGS="--cfg sabotage" cargo build --quiet --package transferto --target-dir target/sabotage
	@cargo build --quiet --release --package torture
	@SEED="$(SEED)" SABOTAGED=target/sabotage/debug/transferto ./target/release/torture

installation: tools   ## Install the binary from a clean clone by the steps of docs/deploy/Dockerfile, run it alone in an empty root
	@tests/deploy/run.sh

bench: tools          ## Measure beside a bare sendfile loop, nginx and Kafka (EXPERIMENTS="catch-up produce", ROUNDS=, SHORT=1, LONG=1, WRITE=1)
	@echo "Building the broker and what measures it; the first time takes a minute or two."
	@cargo build --quiet --release --package transferto --package bench
	@echo "$(if $(EXPERIMENTS),,All experiments take about $(if $(SHORT),eight,thirty) minutes on two cores. )Leave the machine alone meanwhile."
	@ROUNDS="$(ROUNDS)" SHORT="$(SHORT)" LONG="$(LONG)" HOURS="$(HOURS)" WRITE="$(WRITE)" EARLIER="$(EARLIER)" ./target/release/bench $(EXPERIMENTS)

lab: tools            ## Send a file in each way, from read and write to sendfile: what each costs (EXPERIMENTS=files, ROUNDS=, SHORT=1, WRITE=1)
	@echo "Building the broker and the lab; the first time takes a minute or two."
	@cargo build --quiet --release --package transferto --package lab
	@echo "$(if $(EXPERIMENTS),,The whole lab takes about $(if $(SHORT),one minute,three minutes) on two cores. )Leave the machine alone meanwhile."
	@ROUNDS="$(ROUNDS)" SHORT="$(SHORT)" WRITE="$(WRITE)" ./target/release/lab $(EXPERIMENTS)

clean:                ## Remove what was built; the broker's ./data stays
	cargo clean

help:                 ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { \
		line = sprintf("make %-18s", $$1); count = split($$2, words, " "); \
		for (i = 1; i <= count; i++) { \
			if (length(line) + length(words[i]) >= 100) { print line; line = sprintf("%23s", "") } \
			line = line " " words[i] } \
		print line }' Makefile

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
