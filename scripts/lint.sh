#!/usr/bin/env bash
# Format, layers, banned calls, static analysis, shell scripts.
#
#   scripts/lint.sh [--tidy] [--fix]
#
# --fix formats the sources in place. --tidy adds clang-tidy, which takes minutes. Environment: B, the build directory
# (its generated protobuf header must exist for --tidy). Exit 1 when anything is found.
set -u
cd "$(dirname "$0")/.." || exit 1

B=${B:-build}
tidy=
fix=
for arg; do
    case $arg in
        --tidy) tidy=1 ;;
        --fix) fix=1 ;;
        *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
bad=0
# step NAME COMMAND...
step() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "ok    $name"
    else
        echo "FOUND $name"
        head -n 60 <<<"$out" | sed 's/^/      /'
        bad=1
    fi
}

layers=()
for d in shared proto master worker cli tests bench; do
    [ -d $d ] && layers+=("$d")
done
mapfile -t sources < <(find "${layers[@]}" -name node_modules -prune -o -name '*.[ch]' -print | sort)
mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep '\.c$' | grep -vE '^(tests|bench)/')
mapfile -t scripts < <(find scripts tests bench .ci -name node_modules -prune -o -type f \
    \( -name '*.sh' -o -path .ci/run \) -print | sort)
mapfile -t pythons < <(find scripts tests bench -name node_modules -prune -o -name '*.py' -print | sort)

# Tables made by a program are not for reading.
mapfile -t written < <(grep -LE 'clang-format off|[Gg]enerated (by|from|with)' "${sources[@]}")
if [ -n "$fix" ]; then
    clang-format -i "${written[@]}"
fi
step "clang-format" clang-format --dry-run -Werror "${written[@]}"
step "layers" scripts/check-layers.sh
step "banned calls" scripts/check-banned.sh
step "shellcheck" shellcheck -x -P SCRIPTDIR -e SC2317 "${scripts[@]}"
[ ${#pythons[@]} = 0 ] || step "python" python3 - "${pythons[@]}" <<'PY'
import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, encoding="utf-8").read(), name)
PY
# readdir() is safe on a stream of one's own, and readdir_r() is deprecated.
# At least two jobs: with one it also guesses across files, and errs; what is found is not to depend on the machine.
jobs=$(nproc)
[ ${#units[@]} = 0 ] || step "cppcheck" cppcheck -q -j $((jobs > 2 ? jobs : 2)) --std=c11 --language=c --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=readdirCalled \
    -D_GNU_SOURCE -I. --library=posix --library=gnu "${units[@]}"

if [ -n "$tidy" ] && [ ${#units[@]} -gt 0 ]; then
    packages="libprotobuf-c libcurl libcares libdeflate libxxhash liblz4 libpcre2-8 jansson libpsl icu-uc libcrypto expat"
    # shellcheck disable=SC2046,SC2086,SC2207
    flags=(-std=c11 -D_GNU_SOURCE '-DTRAWL_VERSION="0"' -I. "-I$B" $(pkg-config --cflags $packages 2>/dev/null))
    checks='-*,bugprone-*,clang-analyzer-*,misc-redundant-expression,misc-static-assert'
    checks+=',readability-misleading-indentation,readability-redundant-declaration'
    checks+=',-bugprone-easily-swappable-parameters,-bugprone-assignment-in-if-condition,-bugprone-reserved-identifier'
    checks+=',-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result'
    checks+=',-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'
    tidy_files() {          # quiet unless it finds something
        local out
        out=$(printf '%s\n' "${units[@]}" | xargs -P "$(nproc)" -I FILE clang-tidy --quiet "--checks=$checks" FILE -- \
            "${flags[@]}" 2>/dev/null)
        echo "$out"
        [ -z "$out" ]
    }
    step "clang-tidy" tidy_files
fi
exit $bad
