# `just` prints the list. Each recipe works in a clean clone with rustup's Rust and git, and installs what it needs beyond.
# A recipe that cannot run says so in one line that begins with CANNOT RUN, and fails: it never counts as passed.

set shell := ["bash", "-euo", "pipefail", "-c"]
export PATH := justfile_directory() / "target/tools/bin:" + env("PATH")

nightly := env("TURNWISE_NIGHTLY", "nightly")
msrv := "1.85"
# shuttle-engine's, of turnwise-shuttle and its engine.
shuttle_msrv := "1.87"
features := "tokio tokio,tracing tokio,serde serde tracing testing"
# The library and the crates beside it, in the order of their dependencies. turnwise-shuttle and turnwise-rmcp are workspaces of their own.
crates := "-p turnwise -p turnwise-process -p turnwise-pi -p turnwise-acp -p turnwise-cluster -p turnwise-etcd"
# The recipes that drive chatd build it once.
chatd := "browser,cluster"
# The compiler whose instructions `benches/gate` has on record.
gate_rust := "1.95.0"
pi := "1.5.2"
pi_sum := "691bde186273b457d9d1c41d0fd47b57853b5e85ded1add1a1f6b78e66c261f4"
node := "22.23.3"
jiti := "2.7.0"
# Each with the Debian suite and package that have it, and the package's sum.
etcds := "3.5.16=trixie=3.5.16-4=0875921bb0d023f2af9b8e15cdfbe417a03e65731345fb832c40f9c2dd72967b 3.4.23=bookworm=3.4.23-4+b4=3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d"

[private]
default:
    @{{ just_executable() }} --list --unsorted

# all that must hold before a commit lands: the three groups below, and a table of minutes
check: (group "check" "check-core, check-memory, check-field")

# formats, lints, tests and models, documents, packages, other targets, the oldest versions, the proofs of one slot, instructions
check-core: (group "check-core" "formatted, lint, test, package, machine, explain --check, proofs --check, bench-gate" "doc-host, msrv, minimal, targets, deny")

# Miri and the sanitizers
check-memory: (group "check-memory" "miri, tsan, asan")

# Agents wait most of the time, and mutants compute.
# real agents, clients, etcds and a real browser, a minute of random calls; beside them mutants by hand, and by machine of what changed
check-field: (group "check-field" "pi-tests, pi-soak, acp-tests, cluster-tests, rmcp-tests, rmcp-clients, browser, soak, mutants-of-a-change" "mutants")

# Runs recipes one after the other, and those of BESIDE at the same time; what these print comes after the others. After a failure
# no recipe begins. Ends with the minutes that each took, and those of the processors. Nothing is built twice here, so nothing is kept for
# the next build, which made the longest test program a quarter slower to build; and nobody debugs it, so there is no debug information.
[private]
group NAME RECIPES BESIDE="":
    #!/usr/bin/env bash
    set -euo pipefail
    export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0} CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-0}
    export TURNWISE_TEST_SECONDS=${TURNWISE_TEST_SECONDS:-300} # in place of 60: a test may have one core
    table=target/minutes/{{ NAME }} && failed=$table.failed
    mkdir -p target/minutes && rm -f "$table".* && : > "$table" && : > "$table.beside" && : > "$table.log"
    busy() { awk -F '[ms ]+' 'NR == 2 { print $1 + $3 + ($2 + $4) / 60 }' "$1"; }
    lane() { # the recipes, and the table of their minutes
        local recipe begin busy end=passed
        IFS=, read -ra recipes <<< "$1"
        for recipe in "${recipes[@]}"; do # not from a pipe: a program that inherits it may empty it
            read -r recipe <<< "$recipe"
            test ! -e "$failed" || return 1
            times > "$2.times" # not in a subshell, which has no children yet
            begin=$SECONDS busy=$(busy "$2.times")
            {{ just_executable() }} $recipe < /dev/null 3>&- || { end=FAILED && touch "$failed" && echo "{{ NAME }}: $recipe has failed" >&3; }
            times > "$2.times"
            echo "$recipe,$begin,$SECONDS,$busy,$(busy "$2.times"),$end" | awk -F, '{ printf "%-22s %5.1f %5.1f  %s\n", $1, ($3 - $2) / 60, $5 - $4, $6 }' >> "$2"
            test ! -e "target/minutes/$recipe" || sed 's/^/  /' "target/minutes/$recipe" >> "$2"
            test "$end" = passed || return 1
        done
    }
    ended() {
        cat "$table.log"
        test ! -s "$table.beside" || { echo "beside them:" && cat "$table.beside"; } >> "$table"
        rm -f "$table".*
        echo "minutes of {{ NAME }}, and of its processors:"; cat "$table"
    }
    trap ended EXIT
    # A signal for this script alone, such as just's, ends all that it runs.
    trap 'trap "" INT TERM; kill 0' INT TERM
    exec 3>&2
    # Shells of their own, so that `times` counts no process of the other one. Those of BESIDE get what the others leave, so a test
    # that waits for a process is not kept waiting by a compiler.
    (lane "{{ RECIPES }}" "$table") &
    lanes=($!)
    if test -n "{{ BESIDE }}"; then
        (lane "{{ BESIDE }}" "$table.beside") > "$table.log" 2>&1 &
        lanes+=($!)
        renice -n 19 $! > /dev/null 2>&1 || true
    fi
    end=passed
    for lane in "${lanes[@]}"; do wait "$lane" || end=FAILED; done
    test "$end" = passed
    echo "{{ NAME }}: everything has passed"

# the tests: property and threads tests, docs, loom's models at their everyday bounds, shuttle's histories, fuzz replays
test:
    cargo test --workspace

# As `mutants` and `explain` build: without optimisation, which takes a minute less and makes a model two times slower.
# runs loom's models with NAME in their name, such as c06; without one, prints the table of all: claim, threads, preemptions, executions
loom NAME="":
    #!/usr/bin/env bash
    set -euo pipefail
    if test -z "{{ NAME }}"; then cargo run -q --profile test -p tools --bin proofs -- models; exit 0; fi
    export RUST_BACKTRACE=0 CARGO_PROFILE_DEV_DEBUG=0
    models=(cargo test -p loom-tests --test models --target-dir target/mutants/models/target --config profile.test.package.loom-tests.opt-level=0)
    list=$("${models[@]}" -- --list "{{ NAME }}")
    grep -q ': test$' <<< "$list" || { echo "loom: no model has \"{{ NAME }}\" in its name; \`just loom\` lists them" >&2; exit 1; }
    "${models[@]}" -q -- --nocapture "{{ NAME }}"

# runs every engine at its larger bounds, and the mutants; ends with one table: claim by engine
prove:
    cargo run -q --profile test -p tools --bin proofs -- prove

# breaks the source on purpose and expects a model to notice; FILTER chooses mutants by name, --list prints the table of all
mutants *FILTER:
    cargo run -q --profile test -p tools --bin mutants -- {{ FILTER }}

# writes the generated parts of PROOFS.md; with --check it fails where they, the source, the tests or the mutants disagree
proofs *MODE:
    cargo run -q --profile test -p tools --bin proofs -- {{ if MODE == "--check" { "check" } else { "write" } }}

# Isolation would hide the clock; parking_lot makes pointers out of numbers, which is allowed and would only be warned of. The
# canary of the property tests needs thousands of sequences, and shows nothing about memory.
# property and threads tests, interpreted by Miri; SCHEDULES seeds of its scheduler for the threads, each a different schedule
miri SCHEDULES="1": (nightly "miri rust-src")
    #!/usr/bin/env bash
    set -euo pipefail
    export TURNWISE_SEED=1 TURNWISE_TEST_SECONDS=3000
    flags="-Zmiri-disable-isolation -Zmiri-permissive-provenance"
    miri() { cargo +{{ nightly }} miri test -p turnwise "$@"; }
    miri --no-run --test properties --test drops --test stress
    # It interprets on one core, so the two halves run side by side.
    MIRIFLAGS="$flags" miri --test properties &
    half=$!
    trap 'kill $half 2>/dev/null || true' EXIT
    MIRIFLAGS="$flags" miri --test drops
    MIRIFLAGS="$flags -Zmiri-many-seeds=0..{{ SCHEDULES }}" miri --test stress
    wait $half

# the threads test under ThreadSanitizer; std is built with it too, else std itself seems to race
tsan: (nightly "rust-src")
    TURNWISE_TEST_SECONDS=900 RUSTFLAGS="-Zsanitizer=thread" cargo +{{ nightly }} test -Zbuild-std --target "$(rustc -vV | sed -n 's/^host: //p')" \
        --target-dir target/tsan -p turnwise --test stress

# Without a look for leaks where tests forget on purpose: the payloads of second panics, canaries that fail.
# the tests and the fuzz corpora under AddressSanitizer
asan: (nightly "")
    #!/usr/bin/env bash
    set -euo pipefail
    export RUSTFLAGS="-Zsanitizer=address" TURNWISE_SEED=1
    test=(cargo +{{ nightly }} test --target "$(rustc -vV | sed -n 's/^host: //p')" --target-dir target/asan)
    "${test[@]}" -p turnwise --test bad_use --test drops --test line_memory --test peers --test properties --test stress -- --skip noticed
    "${test[@]}" -p fuzz-replay -- --skip noticed
    ASAN_OPTIONS=detect_leaks=0 "${test[@]}" -p fuzz-replay
    ASAN_OPTIONS=detect_leaks=0 "${test[@]}" -p turnwise --test panics

# every call of the manager at random for so many SECONDS, over a backend that fails, hangs and panics; then the books must balance
soak SECONDS="60":
    cargo run -q --release -p soak -- {{ SECONDS }}

# Its tarball holds a bundled program that needs none of its dependencies but one, jiti, by which it loads extensions. Node is
# npm's package too: the machine's own may be too old for pi.
# pi and the Node that it needs, from npm, into target/pi; nothing if they are there already
pi:
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p target/pi && cd target/pi
    test "$(cat installed 2>/dev/null)" = "{{ pi }} {{ node }} {{ jiti }}" && exit 0
    fail() { echo "CANNOT RUN pi: $1" >&2; exit 1; }
    rm -rf installed package node_modules package.json
    command -v npm >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends npm; } >/dev/null 2>&1 \
        || fail "there is no npm, and Debian's cannot be installed"
    echo '{"private": true}' > package.json
    npm install --silent --no-audit --no-fund --no-save "node@{{ node }}" "jiti@{{ jiti }}" || fail "npm cannot get Node {{ node }} and jiti {{ jiti }}"
    node_modules/.bin/node --version >/dev/null || fail "Node {{ node }} does not run here"
    npm pack --silent "@earendil-works/pi-coding-agent@{{ pi }}" >/dev/null || fail "npm cannot get pi {{ pi }}"
    tar=earendil-works-pi-coding-agent-{{ pi }}.tgz
    echo "{{ pi_sum }}  $tar" | sha256sum --check --quiet || fail "it is not the pi that was tested"
    tar xzf "$tar" && rm "$tar"
    PI_CODING_AGENT_DIR=$PWD/agent PI_OFFLINE=1 node_modules/.bin/node package/dist/bundle/cli.js --version
    echo "{{ pi }} {{ node }} {{ jiti }}" > installed

# real pi processes against a stub of the model's service, under the manager and under chatd; FILTER chooses tests by name
pi-tests *FILTER: (needs-pi "pi-tests")
    cargo test -q -p pi-tests --test pi -- {{ FILTER }}
    cargo test -q -p chatd --features {{ chatd }} --test pi -- {{ FILTER }}

# Exactly what the lock file names, with its sums. pi-acp drives pi; those that are Node's programs run with pi's Node.
# real agents that speak ACP, from npm, into target/acp, with pi and its Node; nothing if they are there already
acp:
    #!/usr/bin/env bash
    set -euo pipefail
    fail() { echo "CANNOT RUN acp: $1" >&2; exit 1; }
    {{ just_executable() }} pi || fail "the recipe pi has failed, see above"
    mkdir -p target/acp && cd target/acp
    lock=../../crates/acp/real
    cmp -s installed "$lock/package-lock.json" && exit 0
    rm -rf installed node_modules
    cp "$lock/package.json" "$lock/package-lock.json" .
    # Not `npm ci`: it wants entries for platforms that these agents are not built for.
    npm install --silent --no-audit --no-fund --ignore-scripts || fail "npm cannot get the agents of $lock/package-lock.json"
    cp "$lock/package-lock.json" installed

# real agents of five makes against a stub of their models' services, under the manager; FILTER chooses tests by name
acp-tests *FILTER:
    @{{ just_executable() }} acp || { echo "CANNOT RUN acp-tests: the recipe acp has failed, see above" >&2; exit 1; }
    TURNWISE_TEST_SECONDS=240 cargo test -q -p acp-tests --test acp -- {{ FILTER }}
    TURNWISE_TEST_SECONDS=240 cargo test -q -p chatd --features {{ chatd }} --test acp -- {{ FILTER }}

# The machine's own Debian sources, for the suite that has the package; nothing is installed.
# etcd in two versions, from Debian's packages, into target/etcd; nothing if they are there already
etcd:
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p target/etcd && cd target/etcd
    test "$(cat installed 2>/dev/null)" = "{{ etcds }}" && exit 0
    fail() { echo "CANNOT RUN etcd: $1" >&2; exit 1; }
    trap 'fail "this command has failed: $BASH_COMMAND"' ERR
    test "$(dpkg --print-architecture 2>/dev/null)" = amd64 || fail "its packages are fetched for Debian on x86-64 only"
    rm -rf installed suites && mkdir -p suites/lists/partial suites/archives/partial suites/parts
    # To the end: a program whose output is not read to the end may die of SIGPIPE, and its pipe fails.
    sources=$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f -name '*.sources' 2>/dev/null | sed -n 1p || true)
    test -n "$sources" || fail "apt has no file *.sources"
    for etcd in {{ etcds }}; do
        IFS='=' read -r version suite package sum <<< "$etcd"
        sed -E "s/\\b(trixie|bookworm)\\b/$suite/g" "$sources" > "suites/parts/$suite.sources" || fail "the file $sources cannot be read"
    done
    apt=(-o Dir::Etc::sourcelist=- -o "Dir::Etc::sourceparts=$PWD/suites/parts" -o "Dir::State::lists=$PWD/suites/lists" -o "Dir::Cache=$PWD/suites")
    apt-get "${apt[@]}" update >/dev/null 2>&1 || fail "apt cannot get the lists of Debian's packages"
    for etcd in {{ etcds }}; do
        IFS='=' read -r version suite package sum <<< "$etcd"
        (cd suites && apt-get "${apt[@]}" download "etcd-server=$package" >/dev/null 2>&1) || fail "Debian has no etcd-server $package"
        echo "$sum  suites/etcd-server_${package}_amd64.deb" | sha256sum --check --quiet || fail "it is not the etcd $version that was tested"
        dpkg-deb --fsys-tarfile "suites/etcd-server_${package}_amd64.deb" | tar x -C suites ./usr/bin/etcd || fail "the package of etcd $version cannot be unpacked"
        mkdir -p "$version" && mv suites/usr/bin/etcd "$version/etcd"
        "$version/etcd" --version | sed -n 1p || fail "etcd $version does not run here"
    done
    rm -rf suites
    echo "{{ etcds }}" > installed

# turnwise-etcd and the nodes of chatd over real etcd and real pi processes: killed, stopped and cut off; FILTER chooses tests by name
cluster-tests *FILTER: (needs-etcd "cluster-tests") (needs-pi "cluster-tests")
    TURNWISE_TEST_SECONDS=300 cargo test -q -p etcd-tests --test etcd -- --nocapture --test-threads=2 {{ FILTER }}
    TURNWISE_TEST_SECONDS=240 cargo test -q -p chatd --features {{ chatd }} --bin chatd --test cluster -- --nocapture --test-threads=4 {{ FILTER }}

# three processes and three etcds, all of which are killed, stopped and cut off at random for so many SECONDS, from a SEED
chaos SECONDS="3600" SEED="1": (needs-etcd "chaos")
    TURNWISE_CHAOS_SECONDS={{ SECONDS }} TURNWISE_SEED={{ SEED }} TURNWISE_TEST_SECONDS=$(({{ SECONDS }} + 300)) \
        cargo test -q -p etcd-tests --test etcd -- --nocapture chaos

# Behind `&` a program ignores SIGINT: Ctrl-C reaches this script alone, which ends the nodes one after the other.
# an etcd and three nodes of chatd, at http://127.0.0.1:8484, 8485 and 8486, until Ctrl-C; ARGS are for chatd
cluster *ARGS: (needs-etcd "cluster")
    #!/usr/bin/env bash
    set -euo pipefail
    for port in 2379 2380 7484 7485 7486 8484 8485 8486; do
        ! (: < /dev/tcp/127.0.0.1/$port) 2>/dev/null || { echo "CANNOT RUN cluster: something listens on port $port" >&2; exit 1; }
    done
    folder=$(mktemp -d) etcd="" ports=() nodes=()
    end() {
        trap "" INT TERM
        for at in "${!nodes[@]}"; do
            kill "${nodes[at]}" 2>/dev/null && wait "${nodes[at]}" || true
            echo "the last lines of the node on port ${ports[at]}:" && tail -n 3 "$folder/${ports[at]}" | sed 's/^/    /'
        done
        test -z "$etcd" || { kill "$etcd" 2>/dev/null && wait "$etcd"; } || true
        rm -rf "$folder"
    }
    trap end EXIT
    trap 'exit 0' INT TERM
    echo "building chatd"
    cargo build -p chatd --features cluster
    target/etcd/3.5.16/etcd --data-dir "$folder/etcd" --log-level error &
    etcd=$!
    until (: < /dev/tcp/127.0.0.1/2379) 2>/dev/null; do kill -0 "$etcd"; sleep 0.1; done
    (umask 077; head -c 32 /dev/urandom | base64 --wrap=0 > "$folder/token")
    node() { echo "target/debug/chatd --listen 127.0.0.1:$1 --peer-listen 127.0.0.1:$(($1 - 1000)) --cluster etcd=http://127.0.0.1:2379 --peer-token $folder/token" {{ ARGS }}; }
    for port in 8484 8485 8486; do
        $(node $port) < /dev/null > "$folder/$port" 2>&1 &
        ports+=($port) nodes+=($!)
        until grep -qs "^chatd: for other nodes" "$folder/$port"; do kill -0 "${nodes[-1]}" 2>/dev/null || exit 1; sleep 0.1; done
        echo "http://127.0.0.1:$port is the node 127.0.0.1:$((port - 1000)), process ${nodes[-1]}; its output is in $folder/$port; start it again, in this folder, by:"
        echo "    $(node $port)"
    done
    echo "another node: $(node 8487)"
    echo "Ctrl-C ends all of these, but no node that you started by hand"
    while true; do
        end=0 && wait -n -p process 2>/dev/null || end=$?
        test -n "${process:-}" || break
        what=etcd
        for at in "${!nodes[@]}"; do test "${nodes[at]}" != "$process" || what="the node on port ${ports[at]}"; done
        echo "$what has ended (process $process, exit code $end)"
    done
    echo "all have ended"

[private]
needs-etcd RECIPE:
    @{{ just_executable() }} etcd || { echo "CANNOT RUN {{ RECIPE }}: the recipe etcd has failed, see above" >&2; exit 1; }

# For `--examples`, of which it has none, cargo takes the features that tests need. So all lines here and below build the same libraries.
# turnwise-rmcp, a workspace of its own: its lints, and its tests with rmcp's client over loopback; FILTER chooses tests by name
rmcp-tests *FILTER:
    cargo fmt --manifest-path crates/rmcp/Cargo.toml --check
    CARGO_TARGET_DIR=target/rmcp cargo clippy --locked --manifest-path crates/rmcp/Cargo.toml --all-targets -- -D warnings
    CARGO_TARGET_DIR=target/rmcp RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib --examples --manifest-path crates/rmcp/Cargo.toml
    CARGO_TARGET_DIR=target/rmcp TURNWISE_TEST_SECONDS=240 cargo test -q --locked --manifest-path crates/rmcp/Cargo.toml -- {{ FILTER }}

# Exactly what the lock file and the list name. The conformance suite needs a newer Node than many machines have.
# the official clients of MCP in TypeScript and Python and its conformance suite, into target/rmcp-clients; nothing if they are there already
mcp-clients:
    #!/usr/bin/env bash
    set -euo pipefail
    fail() { echo "CANNOT RUN mcp-clients: $1" >&2; exit 1; }
    mkdir -p target/rmcp-clients && cd target/rmcp-clients
    real=../../crates/rmcp/real
    cat "$real/package-lock.json" "$real/requirements.txt" <(echo "{{ node }}") > wanted
    cmp -s wanted installed && exit 0
    rm -rf installed node_modules venv
    debian() { { apt-get update && apt-get install --yes --no-install-recommends "$@"; } >/dev/null 2>&1; }
    command -v npm >/dev/null || debian npm || fail "there is no npm, and Debian's cannot be installed"
    cp "$real/package.json" "$real/package-lock.json" .
    npm install --silent --no-audit --no-fund --ignore-scripts || fail "npm cannot get the packages of $real/package-lock.json"
    npm install --silent --no-audit --no-fund --no-save "node@{{ node }}" || fail "npm cannot get Node {{ node }}"
    node_modules/.bin/node --version >/dev/null || fail "Node {{ node }} does not run here"
    python3 -m venv venv >/dev/null 2>&1 || { debian python3 python3-venv && python3 -m venv venv; } || fail "there is no Python with venv, and Debian's cannot be installed"
    venv/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement "$real/requirements.txt" || fail "pip cannot get the packages of $real/requirements.txt"
    mv wanted installed

# turnwise-rmcp with these clients and this suite, against a server that is killed meanwhile; FILTER chooses tests by name
rmcp-clients *FILTER:
    @{{ just_executable() }} mcp-clients || { echo "CANNOT RUN rmcp-clients: the recipe mcp-clients has failed, see above" >&2; exit 1; }
    cargo fmt --manifest-path crates/rmcp/Cargo.toml --all --check
    CARGO_TARGET_DIR=target/rmcp cargo clippy --locked --manifest-path crates/rmcp/Cargo.toml -p rmcp-clients --bins --test clients -- -D warnings
    CARGO_TARGET_DIR=target/rmcp TURNWISE_TEST_SECONDS=240 cargo test -q --locked --manifest-path crates/rmcp/Cargo.toml -p rmcp-clients --test clients -- {{ FILTER }}

# so many TURNS over five sessions of different makes, with aborts and kills at random; then nothing may be left
acp-soak TURNS="200":
    @{{ just_executable() }} acp || { echo "CANNOT RUN acp-soak: the recipe acp has failed, see above" >&2; exit 1; }
    TURNWISE_TEST_SECONDS=36000 TURNWISE_TURNS={{ TURNS }} cargo test -q -p acp-tests --test soak -- --nocapture

# so many TURNS over five sessions, with aborts and kills at random; then nothing may be left
pi-soak TURNS="200": (needs-pi "pi-soak")
    TURNWISE_TEST_SECONDS=36000 TURNWISE_TURNS={{ TURNS }} cargo test -q -p pi-tests --test soak -- --nocapture

[private]
needs-pi RECIPE:
    @{{ just_executable() }} pi || { echo "CANNOT RUN {{ RECIPE }}: the recipe pi has failed, see above" >&2; exit 1; }

# proves the machine of one slot for queues of any length, weakens each of its guards, and judges what the source does by it
machine: z3
    cargo run -q --profile test -p tools --bin machine -- prove
    cargo run -q --profile test -p tools --bin machine -- weaken
    rm -rf target/machine/records
    TURNWISE_SEED=1 TURNWISE_RECORD=$PWD/target/machine/records cargo test -q -p turnwise-machine -p turnwise-machine-replay --test rest --test properties --test fuzz_replay
    TURNWISE_SEED=1 TURNWISE_RECORD=$PWD/target/machine/records cargo test -q -p shuttle-tests --features record --test histories -- \
        small:: histories::one_line histories::claims
    cargo run -q --profile test -p tools --bin machine -- judge target/machine/records

# breaks the source of the slot by each of its mutants, and expects a record that the machine does not allow; FILTER chooses by name
machine-mutants *FILTER: z3
    cargo run -q --profile test -p tools --bin machine -- mutants {{ FILTER }}

[private]
z3:
    @command -v z3 >/dev/null || pip install --quiet z3-solver >/dev/null 2>&1 || pip install --quiet --break-system-packages z3-solver >/dev/null 2>&1 \
        || { apt-get update && apt-get install --yes --no-install-recommends z3; } >/dev/null 2>&1 || true
    @z3 --version >/dev/null 2>&1 || { echo "CANNOT RUN machine: z3 cannot be installed, neither by pip nor by apt" >&2; exit 1; }

# runs a mutant or a model and shows what its threads did, as a table and as a picture; --check: the committed picture is that
explain +WHAT:
    cargo run -q --profile test -p tools --bin explain -- {{ WHAT }}

# The models' copy of the source has a path through loom-tests, which llvm-cov would leave out by itself.
# lines and branches of the source that models and tests reach: a table, and the lines that no model reaches
coverage: (nightly "llvm-tools") (tool "llvm-cov")
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p target/coverage
    look() { cargo +{{ nightly }} llvm-cov --branch --no-report "$@"; }
    tell() { cargo +{{ nightly }} llvm-cov report --no-default-ignore-filename-regex --lcov --output-path "target/coverage/$1.lcov"; }
    cargo +{{ nightly }} llvm-cov clean --workspace
    look -p loom-tests --test models
    tell models
    cargo +{{ nightly }} llvm-cov clean --profraw-only
    look -p turnwise --test properties
    tell properties
    look -p turnwise --tests
    tell tests
    cargo run -q --profile test -p tools --bin proofs -- coverage target/coverage/{models,properties,tests}.lcov

# Hours. The property tests see most of the core; what they miss is shown to the other tests, then to loom's models at their
# everyday bounds. The manager is shown to its own tests, then to shuttle's scenarios; pi and ACP to their tests without a process,
# then to those with scripts; turnwise-process to all its tests. What is left must be what loom-tests/mutants/equivalent.txt lists, a reason beside each. One seed, so
# that the same is left each time. The counts go into loom-tests/mutants/machine.txt, and by `just proofs` into PROOFS.md.
# With DIFF, a file that `git diff` wrote, only what it touches is mutated, and nothing is counted; SHARD=k/n takes one of n parts.
# cargo-mutants over core, manager, pi, ACP and their processes: each mutant dies, or is listed as one that no check can tell
mutants-by-machine DIFF="": (tool "mutants")
    #!/usr/bin/env bash
    set -euo pipefail
    export TURNWISE_SEED=1 TURNWISE_TEST_SECONDS=30 CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1
    out=target/machine
    rm -rf "$out" && mkdir -p "$out"
    which=()
    test -z "{{ DIFF }}" || which+=(--in-diff "{{ DIFF }}")
    test -z "${SHARD:-}" || which+=(--shard "$SHARD" --sharding round-robin)
    # In a part of its own, or of what its last look missed. Some are missed (2), or do not end (3).
    look() {
        part=$1 && shift
        cargo mutants --output "$out/$part" --baseline skip "${which[@]}" "$@" || test $? -eq 2 -o $? -eq 3
        test -e "$out/$part/first" || { cp -r "$out/$part/mutants.out" "$out/$part/first" 2>/dev/null || mkdir -p "$out/$part/first"; }
        touch "$out/$part/first/missed.txt"
    }
    again() { ! test -s "$out/$1/mutants.out/missed.txt" || look "$@" --iterate; }

    core=(-p turnwise --exclude 'src/manager/**' --exclude src/record.rs --exclude-re 'Queue<H>::seen')
    look core "${core[@]}" --timeout 60 --cargo-arg=--test=properties
    again core "${core[@]}" --timeout 120 --cargo-arg=--tests
    again core "${core[@]}" --test-package fuzz-replay --timeout 120
    again core "${core[@]}" --test-package loom-tests --timeout 600 --cargo-arg=--test=models \
        --cargo-arg=--config=profile.test.package.loom-tests.opt-level=0
    manager=(-p turnwise --file 'src/manager/**')
    look manager "${manager[@]}" --timeout 90 --cargo-arg=--test=manager
    again manager "${manager[@]}" --timeout 120 --cargo-arg=--tests
    again manager "${manager[@]}" --test-package fuzz-replay --timeout 120
    again manager "${manager[@]}" --test-package shuttle-tests --timeout 600 --cargo-arg=--test=adapters
    for agent in pi acp; do
        look $agent -p turnwise-$agent --timeout 60 --cargo-arg=--test=wire
        again $agent -p turnwise-$agent --timeout 120 --cargo-arg=--test=scripts
    done
    # Not what kills: a mutant of that would kill the programs of whoever runs this.
    look process -p turnwise-process --timeout 60 --exclude '**/leftovers.rs' --exclude '**/guard/family.rs'

    # Where a line stands changes; what it says counts.
    said() { sed -E 's/:[0-9]+:[0-9]+:/:/' | sort; }
    { cat "$out"/*/mutants.out/missed.txt 2>/dev/null || true; } | said > "$out/missed"
    sed -E '/^(#|$)/d; s/ +# .*//' loom-tests/mutants/equivalent.txt | sort > "$out/listed"
    if test -n "{{ DIFF }}"; then
        comm -13 "$out/listed" "$out/missed" > "$out/new"
        ! test -s "$out/new" || { cat "$out/new"; echo "mutants-by-machine: missed, and not listed" >&2; exit 1; }
        echo "mutants-by-machine: none missed of what {{ DIFF }} touches, but what is listed"
        exit 0
    fi
    for part in core manager pi acp process; do
        count() { { cat "$out/$part/$1" 2>/dev/null || true; } | wc -l; }
        made=$(($(count first/caught.txt) + $(count first/missed.txt) + $(count first/timeout.txt) + $(count first/unviable.txt)))
        echo "$part $made $(count first/unviable.txt) $(count mutants.out/missed.txt)"
    done > loom-tests/mutants/machine.txt
    diff "$out/listed" "$out/missed" || { echo "mutants-by-machine: missed (>), or listed and not missed (<)" >&2; exit 1; }
    echo "mutants-by-machine: none missed but the $(wc -l < "$out/listed") that are listed"

# What counts as the change: all since the commit where this branch left the published one (`origin/HEAD`), with what is not
# committed. On the published branch itself, as in a fresh clone, it is the last commit. TURNWISE_BASE names another commit.
# If it touches more than MOST mutants can be made of, one part is tried: which one, the last commit's hash says.
# cargo-mutants over what a change touches: some minutes
mutants-of-a-change MOST="10": (tool "mutants")
    #!/usr/bin/env bash
    set -euo pipefail
    base=${TURNWISE_BASE:-$(git merge-base HEAD origin/HEAD 2>/dev/null || true)}
    if test -z "$base" || test "$(git rev-parse "$base")" = "$(git rev-parse HEAD)"; then base=HEAD~1; fi
    git rev-parse -q --verify "$base^{commit}" > /dev/null \
        || { echo "CANNOT RUN mutants-of-a-change: the clone has no commit before this one; TURNWISE_BASE may name one" >&2; exit 1; }
    mkdir -p target && git diff "$base" -- src crates/pi/src crates/acp/src crates/process/src > target/change.diff
    count=0
    test -s target/change.diff && count=$(cargo mutants -p turnwise -p turnwise-pi -p turnwise-acp -p turnwise-process --list --in-diff target/change.diff \
        --exclude '**/leftovers.rs' --exclude '**/guard/family.rs' --exclude src/record.rs --exclude-re 'Queue<H>::seen' | wc -l)
    if test "$count" -eq 0; then echo "mutants-of-a-change: no mutant can be made of what changed in src since $base"; exit 0; fi
    parts=$(((count + {{ MOST }} - 1) / {{ MOST }}))
    part=$((0x$(git rev-parse --short=6 HEAD | cut -c-6) % parts))
    echo "mutants-of-a-change: $count mutants of what changed since $base, part $part of $parts"
    SHARD=$part/$parts {{ just_executable() }} mutants-by-machine target/change.diff

# Without optimisation: what takes minutes to build otherwise runs for seconds.
# a subcommand of cargo, into target/tools; nothing if there is one already
[private]
tool NAME:
    @cargo {{ NAME }} --version >/dev/null 2>&1 || cargo install --quiet --locked --debug --root target/tools cargo-{{ NAME }} \
        || { echo "CANNOT RUN: cargo-{{ NAME }} cannot be installed" >&2; exit 1; }

# fuzzes TARGET (operations, schedule, hostile_keys, manager, jsonl, acp) for so many SECONDS; what it finds new stays out of the committed corpus
fuzz TARGET="operations" SECONDS="60": (nightly "rust-src") (tool "fuzz")
    mkdir -p fuzz/target/corpus/{{ TARGET }}
    cargo +{{ nightly }} fuzz run {{ TARGET }} fuzz/target/corpus/{{ TARGET }} fuzz/corpus/{{ TARGET }} -- -max_total_time={{ SECONDS }} -max_len=200 -timeout=10

# the page of chatd in two tabs of headless Chromium, one session of it a real agent; pages of three nodes; pictures in target/screenshots
browser: (needs-etcd "browser")
    @{{ just_executable() }} acp || { echo "CANNOT RUN browser: the recipe acp has failed, see above" >&2; exit 1; }
    @command -v chromium >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends chromium; } >/dev/null 2>&1 \
        || { echo "CANNOT RUN browser: Debian's chromium cannot be installed" >&2; exit 1; }
    TURNWISE_TEST_SECONDS=600 cargo test -p chatd --features {{ chatd }} --test browser

# the registry side by side with what people use instead: a table, data and a plot in target/bench; FILTER chooses workloads by name, --keep writes docs/speed.md
bench *FILTER:
    cargo bench -q -p turnwise-benches --bench peers -- {{ FILTER }}

# Each build places its code otherwise in memory, which alone moves a turn by up to a tenth.
# the same in so many BUILDS: the ratios are the medians over them
bench-builds BUILDS="3" *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    others=()
    for build in $(seq 2 {{ BUILDS }}); do
        RUSTFLAGS="-Cmetadata=$build" cargo bench -q -p turnwise-benches --bench peers --target-dir target/layouts -- {{ ARGS }}
        cp target/bench/peers.json "target/bench/build-$build.json"
        others+=("--with=target/bench/build-$build.json")
    done
    cargo bench -q -p turnwise-benches --bench peers -- {{ ARGS }} "${others[@]}"

# turns, waiters, sessions, cleanups and the manager's calls as there are more of them, with plots; FILTER chooses a part, --keep writes docs/scaling.md
scaling *ARGS:
    cargo bench -q -p turnwise-benches --bench scaling -- {{ ARGS }}

# `repl` and `mcp` start other programs that are built with them.
# what goes wrong with what people use today: NAME is sqlite, repl or mcp; --keep writes docs/why.md and rows of README.md, --rounds=N is for fewer or more of them
evidence NAME *ARGS:
    CARGO_TARGET_DIR=target/rmcp cargo build -q --locked --release --manifest-path benches/evidence/Cargo.toml --bins
    CARGO_TARGET_DIR=target/rmcp cargo run -q --locked --release --manifest-path benches/evidence/Cargo.toml --bin {{ NAME }} -- {{ ARGS }}

# They are not optimised, so most of what they need has been built by `rmcp-tests`.
# the lints of those programs, and short runs of them
evidence-tests:
    CARGO_TARGET_DIR=target/rmcp cargo clippy --locked --manifest-path benches/evidence/Cargo.toml --all-targets -- -D warnings
    CARGO_TARGET_DIR=target/rmcp cargo test -q --locked --manifest-path benches/evidence/Cargo.toml

# instructions, locked operations and allocations of the paths that matter, against benches/gate/counts.json; with --record they are written there
bench-gate *MODE:
    rustup run {{ gate_rust }} rustc --version >/dev/null 2>&1 || rustup toolchain install {{ gate_rust }} --profile minimal \
        || { echo "CANNOT RUN bench-gate: Rust {{ gate_rust }} cannot be installed" >&2; exit 1; }
    { command -v valgrind && command -v objdump; } >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends valgrind binutils; } >/dev/null 2>&1 \
        || { echo "CANNOT RUN bench-gate: Debian's valgrind and binutils cannot be installed" >&2; exit 1; }
    cargo +{{ gate_rust }} run -q --release -p bench-gate -- {{ MODE }}

# those pictures of the page, for the READMEs and the documentation
picture: browser
    cp target/screenshots/light.png examples/chatd/page.png
    cp target/screenshots/agent.png examples/chatd/agent.png
    for name in page agent; do test "$(wc -c < examples/chatd/$name.png)" -lt 120000 || { echo "picture: $name has more than 120 KB" >&2; exit 1; }; done
    base64 --wrap=0 examples/chatd/page.png > docs/page.base64

# formats everything
fmt:
    cargo fmt --all
    cargo fmt --manifest-path fuzz/Cargo.toml
    cargo fmt --manifest-path benches/evidence/Cargo.toml

# fails where `just fmt` would change something
formatted:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check
    cargo fmt --manifest-path benches/evidence/Cargo.toml --check

# clippy, every warning an error: everything, then the library with each feature alone
lint:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy -p chatd --features {{ chatd }} --all-targets -- -D warnings
    # Tests that only their recipes run are not among all targets.
    cargo clippy -p pi-tests --test pi --test soak -- -D warnings
    cargo clippy -p acp-tests --test acp -- -D warnings
    cargo clippy -p etcd-tests --test etcd -- -D warnings
    cargo clippy -p chatd --features {{ chatd }} --test acp --test cluster --test pi -- -D warnings
    cargo clippy -p turnwise-machine --test rest -- -D warnings
    cargo clippy -p chatd --no-default-features -- -D warnings
    for features in "" {{ features }}; do
        cargo clippy -p turnwise --lib --features "$features" -- -D warnings
    done
    cargo clippy -p turnwise --lib --all-features -- -D warnings
    cargo clippy -p turnwise-cluster --lib -- -D warnings
    cargo clippy -p turnwise-etcd --lib -- -D warnings
    # A workspace of its own, with a lock file of its own.
    cargo check --locked --manifest-path fuzz/Cargo.toml --no-default-features

# the documentation, every warning an error
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps {{ crates }} --all-features

# The flags are those of `[package.metadata.docs.rs]`. turnwise-shuttle is the first: its library is called turnwise too, and the pages
# of the last one stay. Without debug information all three workspaces share what they depend on.
# the documentation of every published crate as its host builds it, with the features that bring each item
doc-host: (nightly "")
    #!/usr/bin/env bash
    set -euo pipefail
    export RUSTDOCFLAGS="-D warnings --cfg docsrs" CARGO_PROFILE_DEV_DEBUG=0
    doc() { cargo +{{ nightly }} doc --locked --no-deps --all-features --target-dir target/doc-host "$@"; }
    doc --manifest-path crates/shuttle/Cargo.toml
    doc {{ crates }} -p turnwise-shuttle-engine
    doc --manifest-path crates/rmcp/Cargo.toml

# what would be published, of every crate, into target/publish: nothing is built
package:
    #!/usr/bin/env bash
    set -euo pipefail
    folder=$PWD/target/publish
    rm -rf "$folder/package" "$folder/unpacked"
    pack() { cargo package --quiet --no-verify --exclude-lockfile --allow-dirty --target-dir "$folder" "$@"; }
    pack {{ crates }} -p turnwise-shuttle-engine
    pack --manifest-path crates/rmcp/Cargo.toml
    pack --manifest-path crates/shuttle/Cargo.toml
    {{ just_executable() }} publishable || true

# For a release, some minutes. The packages are three workspaces, over the lock files of their sources; turnwise-shuttle and
# turnwise-rmcp get what they need from the packages before them. The checked example has the line that its users write.
# the same, and what `cargo publish` does before it uploads: each package is built alone, and documented as its host does it; then the checked example
package-full: package (nightly "")
    #!/usr/bin/env bash
    set -euo pipefail
    folder=$PWD/target/publish
    workspace() { printf '[workspace]\nmembers = ["%s"]\nresolver = "3"\n\n' "$1"; }
    patches='[patch.crates-io]'
    unpack() { # the packages of one workspace, with those before them in place of the registry's
        local source=$1 to=$folder/unpacked/$2
        shift 2
        mkdir -p "$to" && cp "$source/Cargo.lock" "$to"
        for name; do
            tar -xzf "$folder/package/$name"-[0-9]*.crate -C "$to"
            patches+=$'\n'"$name.path = \"$(echo "$to/$name"-[0-9]*)\""
        done
        { workspace "*"; echo "$patches"; } > "$to/Cargo.toml"
    }
    unpack . core $(echo "{{ crates }}" | sed 's/-p //g') turnwise-shuttle-engine
    unpack crates/rmcp rmcp turnwise-rmcp
    unpack crates/shuttle shuttle turnwise-shuttle
    check() { CARGO_PROFILE_DEV_DEBUG=0 cargo +{{ nightly }} check --quiet --workspace --all-features --manifest-path "$folder/unpacked/$1/Cargo.toml" --target-dir target/doc-host; }
    check core
    check rmcp
    check shuttle
    cp -r examples/checked "$folder/unpacked/checked" && cp Cargo.lock "$folder/unpacked/checked"
    { workspace shuttle; sed -n '/^\[workspace\.\(package\|lints\)/,/^$/p' Cargo.toml; echo "$patches"; } > "$folder/unpacked/checked/Cargo.toml"
    line=$(sed -n 's/^# Yours: \({.*}\).*/\1/p' examples/checked/shuttle/Cargo.toml)
    test -n "$line"
    sed -i "s|^turnwise = .*|turnwise = $line|" "$folder/unpacked/checked/shuttle/Cargo.toml"
    CARGO_PROFILE_DEV_DEBUG=0 cargo test --quiet --manifest-path "$folder/unpacked/checked/Cargo.toml" --target-dir "$folder"
    publish() { cargo publish --quiet --dry-run --allow-dirty --target-dir "$folder" "$@"; }
    publish_apart() { # cargo notes the patch in the lock file, where nobody else wants it
        cp "$1/Cargo.lock" "$folder/lock"
        local end=0
        publish --config "patch.crates-io.$2.path='$(echo "$folder/unpacked/core/$2"-[0-9]*)'" --manifest-path "$1/Cargo.toml" || end=$?
        cp "$folder/lock" "$1/Cargo.lock"
        return $end
    }
    publish {{ crates }} -p turnwise-shuttle-engine
    publish_apart crates/rmcp turnwise
    publish_apart crates/shuttle turnwise-shuttle-engine
    export RUSTDOCFLAGS="-D warnings --cfg docsrs" CARGO_PROFILE_DEV_DEBUG=0
    doc() { cargo +{{ nightly }} doc --quiet --workspace --no-deps --all-features --manifest-path "$folder/unpacked/$1/Cargo.toml" --target-dir target/doc-host; }
    doc shuttle
    doc core
    doc rmcp
    echo "package-full: every package builds alone, and its host can document it"

# fails until everything is there that only the owner can fill in, and names what is missing
publishable:
    #!/usr/bin/env bash
    set -euo pipefail
    missing=0
    say() { echo "publishable: $1"; missing=1; }
    address=$(sed -n '/^\[workspace\.package\]/,/^$/ s/^repository = "\(.*\)"/\1/p' Cargo.toml)
    test -n "$address" || say "repository: not set; the owner sets it in Cargo.toml, [workspace.package]"
    for manifest in crates/rmcp/Cargo.toml crates/shuttle/Cargo.toml; do
        grep -qxF "repository = \"$address\"" "$manifest" || say "repository: $manifest has another one than Cargo.toml; \`just repository\` copies it"
    done
    ! grep -qi '^## .* unreleased' CHANGELOG.md || say "date: not set; the owner sets it in CHANGELOG.md, in place of \"unreleased\""
    test -L crates/shuttle/src || say "links: this checkout has files in place of symbolic links, so packages would lack their licences"
    test -z "$(git status --porcelain)" || say "there are changes that are not committed"
    test $missing -eq 0 && echo "publishable: nothing is missing. CONTRIBUTING.md has the steps"

# copies the address of the repository from Cargo.toml to the manifests of the two workspaces that cannot inherit it
repository:
    address=$(sed -n '/^\[workspace\.package\]/,/^$/ s/^repository = "\(.*\)"/\1/p' Cargo.toml) \
        && sed -i "s|^repository = .*|repository = \"$address\"|" crates/rmcp/Cargo.toml crates/shuttle/Cargo.toml

# turnwise-shuttle has turnwise's interface.
# what a release would break of the one before: every crate against the newest tag v*, or against the commit BASE
semver BASE="":
    #!/usr/bin/env bash
    set -euo pipefail
    base={{ BASE }}
    test -n "$base" || base=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
    if test -z "$base"; then echo "semver: there is no release yet (no tag v*), so nothing can break; BASE may name a commit to compare with"; exit 0; fi
    {{ just_executable() }} tool semver-checks
    cargo semver-checks {{ crates }} --all-features --baseline-rev "$base"
    cargo semver-checks --manifest-path crates/rmcp/Cargo.toml --all-features --baseline-rev "$base"

# builds each crate but turnwise-rmcp with the oldest Rust that it promises
msrv: (oldest msrv) (oldest shuttle_msrv)
    cargo +{{ msrv }} check --target-dir target/msrv {{ crates }} --all-features
    cargo +{{ shuttle_msrv }} check --locked --target-dir target/msrv --manifest-path crates/shuttle/Cargo.toml --all-features

[private]
oldest RUST:
    @rustup run {{ RUST }} rustc --version >/dev/null 2>&1 || rustup toolchain install {{ RUST }} --profile minimal \
        || { echo "CANNOT RUN msrv: Rust {{ RUST }} cannot be installed" >&2; exit 1; }

# Of the other packages the newest versions will do: they would only have a say in the library's.
# builds the library with the oldest versions that its manifest allows, in a copy
minimal: (nightly "")
    #!/usr/bin/env bash
    set -euo pipefail
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    git ls-files -z --cached --others --exclude-standard | tar --null --files-from - -c | tar -x -C "$copy"
    target=$PWD/target/minimal
    cd "$copy"
    sed -i '/^default-members/d; s/^members = .*/members = ["crates\/acp", "crates\/cluster", "crates\/etcd", "crates\/pi", "crates\/process"]/' Cargo.toml
    cargo +{{ nightly }} update -Z direct-minimal-versions
    cargo check --target-dir "$target" {{ crates }} --all-features

# the library, the crates beside it and chatd for Windows, macOS, ARM and 32-bit x86
targets:
    #!/usr/bin/env bash
    set -euo pipefail
    for target in x86_64-pc-windows-msvc aarch64-apple-darwin aarch64-unknown-linux-gnu i686-unknown-linux-gnu; do
        rustup target add "$target" >/dev/null 2>&1 || { echo "CANNOT RUN targets: $target cannot be installed" >&2; exit 1; }
        # turnwise-process is in them where there is Unix.
        RUSTFLAGS="-D warnings" cargo check -q --target "$target" --target-dir target/targets -p turnwise -p turnwise-pi -p turnwise-acp -p turnwise-cluster -p turnwise-etcd -p chatd \
            --features turnwise/tokio,turnwise/tracing,turnwise/serde,turnwise/testing,turnwise-cluster/testing
        echo "it builds for $target"
    done

# Of all packages: without --workspace it would look at the library's alone.
# licences, bans and sources of all dependencies, of each workspace
deny: (tool "deny")
    cargo deny --workspace check licenses bans sources
    for workspace in crates/rmcp crates/shuttle fuzz; do \
        echo "of $workspace:" && cargo deny --workspace --manifest-path "$workspace/Cargo.toml" --config "$PWD/deny.toml" check licenses bans sources || exit 1; \
    done

# the nightly toolchain with these components
[private]
nightly COMPONENTS:
    @rustup run {{ nightly }} rustc --version >/dev/null 2>&1 || rustup toolchain install {{ nightly }} --profile minimal \
        || { echo "CANNOT RUN: the toolchain {{ nightly }} cannot be installed" >&2; exit 1; }
    @test -z "{{ COMPONENTS }}" || rustup component add --toolchain {{ nightly }} {{ COMPONENTS }} \
        || { echo "CANNOT RUN: {{ nightly }} has no {{ COMPONENTS }}" >&2; exit 1; }
