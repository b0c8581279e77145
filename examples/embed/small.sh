#!/usr/bin/env bash
# Builds examples/embed/small.c for a small device, and says what it takes: what
# `make small` does.
#
#   examples/embed/small.sh SOURCES FOLDER CONFIGURE
#
# The library goes into FOLDER, without Redis and for size (-Os, -flto), and the
# program with it. Where the system has static libraries of all it needs, the
# program is one file that runs anywhere; else it is linked with the system's
# shared ones, and the missing are named. CC is the compiler, gcc if unset.
set -euo pipefail

if (($# != 3)); then
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
src=$(cd "$1" && pwd)
configure=$(cd "$(dirname "$3")" && pwd)/$(basename "$3")
mkdir -p "$2"
cd "$2"
cc=${CC:-gcc}
flags='-Os -ffunction-sections -fdata-sections'
ar=ar nm=nm
if $cc --version | grep -q 'Free Software' && command -v gcc-ar >/dev/null; then
    flags+=' -flto=auto' ar=gcc-ar nm=gcc-nm
fi

step() { # words...
    printf '  %-7s %s\n' "$1" "${*:2}"
}

quiet() { # log command...: shown if it fails
    "${@:2}" >"$1" 2>&1 || { cat "$1" >&2; return 1; }
}

# Configured anew when that may lead elsewhere.
asked="$configure $src $cc $flags"
if [[ ! -f asked || $(<asked) != "$asked" || $src/configure.ac -nt asked ]]; then
    step CONFIG "without Redis, for size"
    quiet configure.log "$configure" --srcdir="$src" --disable-redis \
        --disable-shared CC="$cc" CFLAGS="$flags" AR=$ar NM=$nm
    echo "$asked" >asked
fi
step MAKE "$PWD/libsocketio.a"
quiet make.log "${MAKE:-make}" -s B=. srcdir="$src" -f "$src/Makefile" \
    libsocketio.a

# A program that asks for no cJSON tree needs no cJSON.
libs=(websockets ev ssl crypto z sodium cap)
missing=()
for lib in "${libs[@]}"; do
    [[ $($cc -print-file-name="lib$lib.a") == /* ]] || missing+=("lib$lib.a")
done
link() { # program argument...
    # shellcheck disable=SC2086 # several flags
    quiet link.log $cc $flags -Wall -Wextra -I"$src/include" -Iinclude \
        -o "$1" "$src/examples/embed/small.c" -Wl,--gc-sections \
        libsocketio.a "${@:2}" -pthread -s
}
if ((${#missing[@]} == 0)); then
    step LINK "$PWD/small-static"
    link small-static -static -DSMALL_STATIC "${libs[@]/#/-l}"
    programs=(small-static small-shared)
else
    echo "No static program: this system has no ${missing[*]}."
    programs=(small-shared)
fi
step LINK "$PWD/small-shared"
link small-shared -Wl,--as-needed "${libs[@]/#/-l}" -lcjson

memory() { # pid: KiB of its own, and with what it shares
    awk '/^Private_/ { own += $2 }
         /^Rss:/ { rss = $2 }
         END { printf "%d %d", own, rss }' "/proc/$1/smaps_rollup"
}

request='GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n'
request+='Upgrade: websocket\r\nConnection: Upgrade\r\n'
request+='Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
request+='Sec-WebSocket-Version: 13\r\n\r\n'
clients=40

# Pages that have come, and wait.
visit() { # port
    local fd
    for ((i = 0; i < clients; i++)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$1"
        # shellcheck disable=SC2059 # it has escapes
        printf "$request\x81\x82\x00\x00\x00\x0040" >&"$fd"
        fds+=("$fd")
    done
}

measure() { # program
    local fd pid port alone with each line open fds=()
    exec {fd}< <(exec "./$1" 0 2>&1)
    pid=$!
    read -r -u "$fd" line
    port=${line##*port } port=${port%%;*}
    sleep 1
    alone=$(memory "$pid")
    visit "$port"
    sleep 1
    with=$(memory "$pid")
    open=("/proc/$pid/fd/"*)
    kill "$pid"
    for each in "${fds[@]}"; do exec {each}>&-; done
    wait "$pid" || true
    exec {fd}<&-
    if ((${#open[@]} <= clients)); then
        echo "$1: the pages did not come" >&2
        return 1
    fi
    echo "  $1: $(($(stat -c %s "$1") / 1024)) KiB on disk;" \
        "memory ${alone% *} KiB (${alone#* } with what it shares)," \
        "${with% *} with $clients pages"
}
for program in "${programs[@]}"; do
    measure "$program"
done
echo "Run it: $PWD/${programs[0]} 3000"
