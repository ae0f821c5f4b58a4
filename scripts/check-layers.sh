#!/usr/bin/env bash
# Layers, one way: shared <- proto <- {master, worker} <- cli <- {tests, bench}. Prints every #include that goes
# another way; exit 1 if there is one.
set -u
cd "$(dirname "$0")/.." || exit 1

declare -A may=(
    [shared]="shared"
    [proto]="shared proto"
    [master]="shared proto master"
    [worker]="shared proto worker"
    [cli]="shared proto master worker cli"
    [tests]="shared proto master worker cli tests"
    [bench]="shared proto master worker cli bench"
)
bad=0
for layer in "${!may[@]}"; do
    [ -d "$layer" ] || continue
    while IFS=: read -r file line text; do
        name=$(sed -n 's/.*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' <<<"$text")
        [ -n "$name" ] || continue
        case $name in
            */*) goal=${name%%/*} ;;
            *) goal=$layer ;;               # beside the file itself
        esac
        if [[ " ${may[$layer]} " != *" $goal "* ]]; then
            echo "$file:$line: $layer must not include $name"
            bad=1
        fi
    done < <(grep -rnE --include='*.[ch]' --exclude-dir=node_modules '#[[:space:]]*include[[:space:]]*"' "$layer")
done
exit $bad
