# Everything a developer does here. Needs Rust alone; what needs more says so.

.PHONY: help demo test fmt lint doc
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s '	'

demo: ## The whole pipeline on this machine: generated transactions in, alerts out
	cargo run --quiet --package sigma-cli -- demo --summary target/demo/summary.json

test: fmt lint ## Everything that can be tested with Rust alone: format, lints, tests, documentation
	cargo test --workspace --quiet
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --quiet

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
