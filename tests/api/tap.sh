# For the shell tests: source it, call `t NAME COMMAND...` once for each test,
# and end with `done_testing`. What a failing command prints is shown.
#
# The Makefile says where things are: SKIO_SRC, SKIO_BUILD, STAGE, CC, CXX, NM,
# PKG_CONFIG, MAKE, MAKE_DIR (where make runs), SRCS (what the library is made
# of) and HEADERS.
# shellcheck shell=bash disable=SC2034
set -u -o pipefail

cd "${SKIO_SRC:?run me through make check}" || exit 1
LC_ALL=C
export LC_ALL

tap_number=0
tap_failed=0
tap_dir=$(mktemp -d)
trap 'rm -rf "$tap_dir"' EXIT

# Run a command as one test.
t() { # name command...
    local name=$1
    shift
    tap_number=$((tap_number + 1))
    if ("$@") >"$tap_dir/output" 2>&1; then
        echo "ok $tap_number - $name"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_number - $name"
        tail -n 40 "$tap_dir/output" | sed 's/^/# /'
    fi
}

t_skip() { # name reason
    tap_number=$((tap_number + 1))
    echo "ok $tap_number - $1 # SKIP $2"
}

# True when a command prints nothing; its output is what is wrong.
silent() {
    local output
    output=$("$@" 2>&1)
    [[ -z $output ]] || {
        printf '%s\n' "$output"
        return 1
    }
}

done_testing() {
    echo "1..$tap_number"
    exit $((tap_failed > 0))
}
