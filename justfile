# `just` prints the list. Each recipe works in a clean clone with rustup's Rust and git, and installs what it needs beyond.
# A recipe that cannot run says so in one line that begins with CANNOT RUN, and fails: it never counts as passed.

set shell := ["bash", "-euo", "pipefail", "-c"]

nightly := env("TURNWISE_NIGHTLY", "nightly")
msrv := "1.85"

[private]
default:
    @{{ just_executable() }} --list --unsorted

# all that must hold before a commit lands; within an hour on two cores
check: formatted lint test doc msrv minimal deny mutants (proofs "--check") miri tsan
    @echo "check: everything above has passed"

# the tests: property and threads tests, docs, loom's models at their everyday bounds, shuttle's histories, fuzz replays
test:
    cargo test --workspace

# the table of loom's models: claim, threads, bound, executions, exhaustive or not, seconds
loom:
    cargo run -q -p loom-tests --bin proofs -- table

# the larger bounds of loom, twenty times the schedules of shuttle, then the mutants
prove: && mutants
    cargo test -p loom-tests --features prove
    cargo test -p shuttle-tests --features prove

# breaks the source on purpose and expects a model to notice; FILTER chooses mutants by name
mutants *FILTER:
    cargo run -q -p loom-tests --bin mutants -- {{ FILTER }}

# writes the tables of PROOFS.md; with --check it fails where they differ
proofs *MODE:
    cargo run -q -p loom-tests --bin proofs -- {{ if MODE == "--check" { "check" } else { "write" } }}

# Isolation would hide the clock; parking_lot makes pointers out of numbers, which is allowed and would only be warned of. One
# seed, for an interpreted step takes a second; the canary of the property tests needs thousands, and shows nothing about memory.
# property and threads tests, interpreted by Miri
miri: (nightly "miri rust-src")
    TURNWISE_SEED=1 MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-permissive-provenance" \
        cargo +{{ nightly }} miri test -p turnwise --test properties --test stress

# the threads test under ThreadSanitizer; std is built with it too, else std itself seems to race
tsan: (nightly "rust-src")
    RUSTFLAGS="-Zsanitizer=thread" cargo +{{ nightly }} test -Zbuild-std --target "$(rustc -vV | sed -n 's/^host: //p')" \
        --target-dir target/tsan -p turnwise --test stress

# fuzzes TARGET for so many SECONDS; what it finds new stays out of the committed corpus
fuzz TARGET="operations" SECONDS="60": (nightly "rust-src")
    cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz || { echo "CANNOT RUN fuzz: cargo-fuzz cannot be installed" >&2; exit 1; }
    mkdir -p fuzz/target/corpus/{{ TARGET }}
    cargo +{{ nightly }} fuzz run {{ TARGET }} fuzz/target/corpus/{{ TARGET }} fuzz/corpus/{{ TARGET }} -- -max_total_time={{ SECONDS }}

# formats everything
fmt:
    cargo fmt --all
    cargo fmt --manifest-path fuzz/Cargo.toml

# fails where `just fmt` would change something
formatted:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check

# clippy, every warning an error
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# the documentation, every warning an error
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps -p turnwise

# builds the library with the oldest Rust that it promises
msrv:
    rustup run {{ msrv }} rustc --version >/dev/null 2>&1 || rustup toolchain install {{ msrv }} --profile minimal \
        || { echo "CANNOT RUN msrv: Rust {{ msrv }} cannot be installed" >&2; exit 1; }
    cargo +{{ msrv }} check --target-dir target/msrv -p turnwise

# builds the library with the oldest versions that its manifest allows, in a copy
minimal: (nightly "")
    #!/usr/bin/env bash
    set -euo pipefail
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    git ls-files -z --cached --others --exclude-standard | tar --null --files-from - -c | tar -x -C "$copy"
    target=$PWD/target/minimal
    cd "$copy"
    cargo +{{ nightly }} update -Z direct-minimal-versions
    cargo check --target-dir "$target" -p turnwise

# licences, bans and sources of all dependencies
deny:
    cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny || { echo "CANNOT RUN deny: cargo-deny cannot be installed" >&2; exit 1; }
    cargo deny check licenses bans sources

# the nightly toolchain with these components
[private]
nightly COMPONENTS:
    @rustup run {{ nightly }} rustc --version >/dev/null 2>&1 || rustup toolchain install {{ nightly }} --profile minimal \
        || { echo "CANNOT RUN: the toolchain {{ nightly }} cannot be installed" >&2; exit 1; }
    @test -z "{{ COMPONENTS }}" || rustup component add --toolchain {{ nightly }} {{ COMPONENTS }} \
        || { echo "CANNOT RUN: {{ nightly }} has no {{ COMPONENTS }}" >&2; exit 1; }
