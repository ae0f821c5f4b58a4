#!/usr/bin/env bash
# The known-answer corpora: how many cases each has, how many trawl gets right, and each miss with its reason.
# Reads $TRAWL_CORPORA, by default ../shared/corpora; needs `make all unit`. Exit 1: a miss without a reason, a test
# that failed, or a file of cases that nothing here runs or explains.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
export TRAWL_CORPORA=${TRAWL_CORPORA:-../shared/corpora}
[ -d "$TRAWL_CORPORA" ] || { echo "no corpora in $TRAWL_CORPORA: TRAWL_CORPORA names their directory" >&2; exit 1; }
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
failed=0

# Files of cases that are not run, and why.
declare -A apart=(
    [url/setters_tests.json]="trawl changes no component of a parsed URL"
    [url/urlcanon/aggressive.json]="rules of one archive by which URLs are taken for the same; trawl asks for what the page says"
    [url/urlcanon/semantic_precise.json]="urlcanon's own dialect: it repairs hosts, sorts parameters and decodes escapes"
    [url/urlcanon/ssurt.json]="a form of key that no index here has; the keys of CDXJ are in surt.json"
    [psl/public_suffix_list.dat]="the list itself; its cases are in registrable.tsv"
)

for name in url html_tokenizer html_tree html_encoding html_values robots sitemaps warc; do
    "$B/tests/test_corpus_$name" >"$T/$name.log" 2>&1 && ! grep -q SKIPPED "$T/$name.log" && continue
    echo "test_corpus_$name failed:" && grep -E 'FAILED|ERROR|SKIPPED|LINE' "$T/$name.log"
    failed=1
done
cat "$T"/*.log | tr -d '\r' | grep '^corpus ' >"$T/lines"

# The books: word count and index, as jobs.
books=$TRAWL_CORPORA/mapreduce
for job in wordcount indexer; do
    expected=$books/expected-$([ $job = indexer ] && echo index || echo wordcount).txt
    right=0
    if "$B/trawl" job run $job --quiet --workers 2 --output "$T/$job" "$books"/pg-*.txt >"$T/$job.log" 2>&1 &&
        cat "$T/$job"/part-* | LC_ALL=C sort | cmp -s - "$expected"; then
        right=1
    else
        failed=1
        echo "corpus mapreduce/$(basename "$expected"): the output differs" >>"$T/lines"
        tail -n 3 "$T/$job.log"
    fi
    echo "corpus mapreduce/$(basename "$expected"): $right of 1" >>"$T/lines"
done

awk '
    /: [0-9]+ of [0-9]+( records)?( \([^)]*\))?$/ {
        name = $0; sub(/^corpus /, "", name); note = name
        sub(/: [0-9]+ of [0-9]+.*$/, "", name)
        sub(/^.*: [0-9]+ of [0-9]+ ?/, "", note)
        if (name ~ /^html\/(tokenizer|tree-construction|encoding)\//) sub(/\/[^\/]*$/, "/", name)
        match($0, /[0-9]+ of [0-9]+( records)?( \([^)]*\))?$/)
        split(substr($0, RSTART), n, " ")
        if (!(name in total)) order[++count] = name
        passed[name] += n[1]; total[name] += n[3]; notes[name] = note
        next
    }
    { misses[++missed] = substr($0, 8) }
    END {
        printf "%-46s %7s %7s %7s\n", "corpus", "cases", "passed", "missed"
        for (i = 1; i <= count; i++) {
            c = order[i]
            printf "%-46s %7d %7d %7d%s\n", c, total[c], passed[c], total[c] - passed[c], notes[c] != "" ? "  " notes[c] : ""
        }
        printf "\nmisses, and why:\n"
        for (i = 1; i <= missed; i++) print "  " misses[i]
    }' "$T/lines" | cut -c1-240

echo
echo "not run, and why:"
while read -r file; do
    name=${file#"$TRAWL_CORPORA"/}
    folder=${name%/*}
    case $folder in
        html/* | sitemaps | warc | gzip | mapreduce) grep -qF "corpus $folder" "$T/lines" && continue ;;
        LICENSES) continue ;;
    esac
    grep -qF "corpus $name" "$T/lines" && continue
    if [ -n "${apart[$name]:-}" ]; then
        echo "  $name: ${apart[$name]}"
    else
        echo "  $name: nothing runs it"
        failed=1
    fi
done < <(find "$TRAWL_CORPORA" -mindepth 2 -type f | LC_ALL=C sort)
exit $failed
