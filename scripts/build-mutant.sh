#!/usr/bin/env bash
# Build the simulation with one known bug: scripts/build-mutant.sh NAME OUT OBJECT... -- COMPILER FLAG... -- LIBRARY...
# Environment: B, the build directory. Only the files that have the bug in them are compiled anew; what the first library has
# of them is not linked, for nothing of it is wanted any more.
set -eu
cd "$(dirname "$0")/.."
name=$1 out=$2
shift 2
mapfile -t sources < <(grep -rlw --include='*.c' "MUTANT_$name" shared proto master worker tests/sim)
[ ${#sources[@]} -gt 0 ] || { echo "build-mutant.sh: there is no MUTANT_$name" >&2; exit 1; }
objects=()
while [ "$1" != -- ]; do
    source=${1#"$B/"}
    [[ " ${sources[*]} " == *" ${source%.o}.c "* ]] || objects+=("$1")
    shift
done
shift
compile=()
while [ "$1" != -- ]; do
    compile+=("$1")
    shift
done
shift
"${compile[@]}" "-DMUTANT_$name" -o "$out" "${sources[@]}" "${objects[@]}" "$@"
