# Everything a developer does here. Needs Rust with a C compiler; what needs more says so.

.PHONY: help demo test fmt lint template
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s '	'

demo: ## The whole pipeline on this machine: generated transactions in, alerts out
	cargo run --quiet --package sigma-cli -- demo --summary target/demo/summary.json

test: fmt lint template ## Everything: format, lints, the template's gates (Python 3.11), every test, documentation
	cargo test --workspace --quiet
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --quiet

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --quiet -- --deny warnings

template: ## The gates of template.yaml: sam validate, cfn-lint, checkov, and what they do not see (Python 3.11)
	tests/template/run
