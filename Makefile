# Everything a developer does here. Needs Rust with a C compiler; a target that needs more says so.

.PHONY: help demo local check test all fmt lint doc template full-stack load package simulate mutations fuzz pages bench
.DEFAULT_GOAL := help

help: ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s '	'

# Where cargo puts what it builds.
BUILT = $${CARGO_TARGET_DIR:-target}

demo: ## Run the whole pipeline on this machine: generated transactions in, alerts out
	cargo build --quiet --workspace --bin sigma
	$(BUILT)/debug/sigma demo --summary target/demo/summary.json

# cargo-lambda comes from its package if it is not installed.
CARGO_LAMBDA = tests/deployed/cargo-lambda/requirements.txt
local: ## Run both functions here for `cargo lambda invoke`, and print the mails that they send (cargo-lambda, or Python 3.11)
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup, https://rustup.rs" >&2; exit 1; }
	cargo build --quiet --workspace --bin sigma --bin detector --bin alerter
	@command -v cargo-lambda >/dev/null || tools=$$(tests/deployed/venv $(CARGO_LAMBDA) cargo-lambda) || exit 1; \
	exec $(BUILT)/debug/sigma local $${tools:+--tools "$$tools/bin"}

check: fmt ## The fast loop: format, lints, unit and pipeline tests
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo test --workspace --lib --bins --tests --quiet

test: lint template ## Everything: the fast loop, the template's gates, simulation, fuzzing, docs, and the deployed stack
	cargo test --workspace --quiet
	$(MAKE) simulate mutations fuzz doc
	$(MAKE) pages full-stack

SEEDS ?= 20000
simulate: ## SEEDS=n faulty schedules of the whole pipeline on all cores; SEED=s traces one
	cargo build --quiet --workspace --bin simulate
	$(BUILT)/debug/simulate $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

mutations: ## Break the protocol in a copy of the source, one way at a time; the simulation has to find each
	tests/hunt/mutations/run

SECONDS ?= 10
fuzz: ## SECONDS=n of coverage-guided fuzzing for each target, or for TARGET=t alone (C++ compiler)
	tests/hunt/fuzz/run $(SECONDS) $(TARGET)

# The functions are built as cargo lambda builds them, for the oldest CPU that Lambda has, and measured as processes; the harness in the
# same way. All in one build, since otherwise what they share is compiled three times: each has the features of all.
BENCH ?=
BENCH_TARGET = x86_64-unknown-linux-gnu
BENCH_CARGO = CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-cpu=haswell" cargo
BENCH_PROFILE = --quiet --release --target $(BENCH_TARGET)
bench: ## Time, memory, requests and cost, beside a Python peer and the Flink baseline: target/bench (Linux x86_64, Python 3.11, 3 GB)
	$(BENCH_CARGO) build $(BENCH_PROFILE) --package detector --package alerter --package benches --bins
	$(BUILT)/$(BENCH_TARGET)/release/bench $(BENCH)

fmt: ## Check the format
	cargo fmt --all --check

lint: fmt ## Format, clippy, and the licences and sources of dependencies if cargo-deny is installed
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --offline check bans licenses sources; \
	else echo "cargo-deny is not installed: licences and sources are not checked (cargo install cargo-deny)"; fi

doc: ## Build the documentation of every crate
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --quiet

full-stack: ## sam build, sam deploy to an emulator on loopback, transactions through it (Linux x86_64, Python 3.11, openssl)
	tests/deployed/full-stack/run

RATE ?= 2000
DURATION ?= 600
USERS ?= 500
load: ## RATE transactions a second of USERS for DURATION seconds through the deployed stack, with three outages (as full-stack)
	RATE=$(RATE) DURATION=$(DURATION) USERS=$(USERS) tests/deployed/full-stack/run -o python_files=load.py

package: ## What deploys without Rust: the functions, a template, `sigma`, checksums: target/package (Linux x86_64, Python 3.11)
	package/run

pages: ## The report of `sigma replay` and the live page in a real browser; screenshots in target/pages (Python 3.11, Chromium)
	tests/deployed/pages/run

template: ## The gates of template.yaml: sam validate, cfn-lint, checkov, and what they do not check (Python 3.11)
	tests/deployed/template/run
