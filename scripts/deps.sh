#!/usr/bin/env bash
# Install what trawl needs on Debian 12 or Ubuntu 22.04 and later, and nothing that is there already.
#
#   scripts/deps.sh [build] [test] [differential] [lint] [bench]      (default: build)
#
# Says nothing when all is there. Needs root or sudo only when something is missing.
set -eu
cd "$(dirname "$0")/.."

# PACKAGE, or PACKAGE:COMMAND when any provider of the command will do.
build="gcc:gcc make:make pkg-config:pkg-config libc6-dev protobuf-c-compiler libprotobuf-c-dev libnng-dev
    libcurl4-openssl-dev libnghttp2-dev libc-ares-dev librocksdb-dev libdeflate-dev libxxhash-dev liblz4-dev libpcre2-dev libjansson-dev
    libpsl-dev libicu-dev libsqlite3-dev libseccomp-dev zlib1g-dev libbrotli-dev libzstd-dev libssl-dev libexpat1-dev
    libmicrohttpd-dev"
# Intel's igzip and multi-buffer digests, which Debian builds for few machines.
case $(dpkg --print-architecture) in amd64) build+=" libisal-dev libipsec-mb-dev" ;; esac
test="libcmocka-dev libgumbo-dev nginx-light:nginx python3:python3 nodejs:node npm:npm iproute2:ip python3-doc
    curl:curl ca-certificates dnsmasq-base:dnsmasq tmux:tmux mount:mount"
differential="chromium"
lint="clang:clang clang-format:clang-format clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck
    python3:python3"
bench="nginx-light:nginx python3:python3 openjdk-17-doc rust-doc wget2:wget2 wget:wget python3-scrapy wrk:wrk"

wanted=
for level in "${@:-build}"; do
    case $level in
        build) wanted+=" $build" ;;
        test) wanted+=" $build $test" ;;
        differential) wanted+=" $build $test $differential" ;;
        lint) wanted+=" $build $lint" ;;
        bench) wanted+=" $build $bench" ;;
        *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done

have() {
    local package=${1%%:*} command=${1#*:}
    if [ "$command" != "$1" ] && PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null; then
        return 0
    fi
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]
}

missing=()
for p in $wanted; do
    have "$p" || [[ " ${missing[*]} " == *" ${p%%:*} "* ]] || missing+=("${p%%:*}")
done

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# nginx's package starts a web server on port 80: not for us. The policy file exists only while we install.
policy=/usr/sbin/policy-rc.d
hold_services() {
    [ -e $policy ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    trap 'as_root rm -f $policy' EXIT
    trap 'exit 130' INT TERM
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -qq -o Dpkg::Use-Pty=0 "$@"
}

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "deps.sh: no apt-get here; please install: ${missing[*]}" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "deps.sh: needs root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "installing ${missing[*]}"
    hold_services
    apt install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
        apt update >/dev/null
        apt install -y --no-install-recommends "${missing[@]}" >/dev/null
    }
    if [[ " ${missing[*]} " == *" nginx-light "* ]] && [ -d /run/systemd/system ]; then
        as_root systemctl disable --quiet nginx 2>/dev/null || true
    fi
fi

# What the tests need of npm: an independent WARC reader, other implementations of what the web says.
packages_of() {
    if [ -f "tests/$1/package-lock.json" ] && [ ! -d "tests/$1/node_modules/$2" ]; then
        echo "installing npm's $2 and others for tests/$1"
        (cd "tests/$1" && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
    fi
}

case " $* " in
    *" test "* | *" differential "*)
        packages_of warcio warcio
        packages_of differential undici
        # Ubuntu 22.04's node is older than warcio wants: a newer one, for these tests alone.
        if [ -d tests/warcio/node_modules ] && [ ! -x tests/warcio/node_modules/.bin/node ] &&
            [ "$(node -p 'parseInt(process.versions.node)')" -lt 18 ]; then
            echo "installing a newer node for the tests"
            (cd tests/warcio && npm install --no-save --no-audit --no-fund --loglevel=error node@18 >/dev/null)
        fi
        ;;
esac
