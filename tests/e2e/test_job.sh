#!/usr/bin/env bash
# MapReduce jobs on real processes: the known answers with 1, 3 and 8 workers; tasks that exit and sleep at random, workers that are
# killed: the same output, nothing of it visible before it is whole; tasks run side by side; nobody leaves early.
. "$(dirname "$0")/lib.sh"
begin job
need_trawl
BOOKS=${TRAWL_CORPORA:-$E2E/../../../shared/corpora}/mapreduce
WORDS=$B/tests/jobs/words.so
[ -r "$WORDS" ] || fail "there is a job of the tests" "no $WORDS: run make unit"

sorted() {
    LC_ALL=C sort "$1"/part-*
}
same() {
    sorted "$1" | cmp - "$2"
}
# figure JSON PATH...: of `trawl job run --json`.
figure() {
    python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))
for k in sys.argv[2:]: v = v[k]
print(v)' "$@"
}
job() {
    local name=$1
    shift
    start "$name" "$TRAWL" job run --json --quiet "$@"
}

# ---- known answers ---------------------------------------------------------------------------------------------
if [ -d "$BOOKS" ]; then
    for n in 1 3 8; do
        for what in wordcount indexer; do
            job "$what$n" $what --workers $n --output "$T/$what$n" "$BOOKS"/pg-*.txt
            check "$what with $n workers ends" exits "$what$n" 60 0
            check "$what with $n workers: the expected output" same "$T/$what$n" \
                "$BOOKS/expected-$([ $what = indexer ] && echo index || echo wordcount).txt"
        done
        check "... each map task ran once, each reduce task too" test \
            "$(figure "$T/wordcount$n.out" maps attempts) $(figure "$T/wordcount$n.out" reduces attempts)" = \
            "$(figure "$T/wordcount$n.out" maps "done") $n"
    done
else
    skip "word count and index of the books" "no corpora/mapreduce"
fi

# ---- a text of our own, and its answer by other means -----------------------------------------------------------
python3 - "$T/text" <<'PY'
import os, random, sys
os.mkdir(sys.argv[1])
r = random.Random(7)
words = ["".join(r.choice("abcdefghijklmnop") for _ in range(r.randint(1, 7))) for _ in range(3000)]
for i in range(6):
    with open(f"{sys.argv[1]}/text{i}", "w") as f:
        for _ in range(2000):
            f.write(" ".join(r.choice(words) for _ in range(8)) + "\n")
PY
cat "$T"/text/* | tr -cs 'A-Za-z' '\n' | LC_ALL=C sort | uniq -c | awk 'NF == 2 { print $2, $1 }' | LC_ALL=C sort >"$T/expected"

# ---- side by side ------------------------------------------------------------------------------------------------
mkdir "$T/meet"
job meet "$WORDS" --workers 3 --reduces 3 --output "$T/met" "$T"/text/* -- meet "$T/meet"
check "tasks that wait for each other end" exits meet 60 0
check "... with the same output" same "$T/met" "$T/expected"
check "... map tasks ran side by side" test "$(figure "$T/meet.out" counters maps-met)" -ge 2
check "... reduce tasks, too" test "$(figure "$T/meet.out" counters reduces-met)" -ge 2

# ---- tasks that fail and hang -------------------------------------------------------------------------------------
# watch DIR: what is visible of the output, again and again until the job ends; sizes that change are partial files.
watch() {
    while running "$2"; do
        (cd "$1" 2>/dev/null && stat -c '%n %s' part-* 2>/dev/null)
        sleep 0.02
    done | LC_ALL=C sort -u
}
whole() {
    [ -s "$1" ] && diff <(cut -d' ' -f1 "$1") <(cut -d' ' -f1 "$1" | uniq) &&
        diff "$1" <(cd "$2" && stat -c '%n %s' part-* | LC_ALL=C sort)
}
job flaky "$WORDS" --workers 4 --reduces 4 --task-timeout 700ms --heartbeat 100ms --lease 1s --output "$T/flaky.d" \
    "$T"/text/* -- flaky 2500
watch "$T/flaky.d" flaky >"$T/flaky.seen"
check "one task in three exits, one in three sleeps: the job ends" exits flaky 120 0
check "... with the same output" same "$T/flaky.d" "$T/expected"
check "... attempts failed" test "$(figure "$T/flaky.out" maps failures)" -ge 1
check "... no partial file was ever visible" whole "$T/flaky.seen" "$T/flaky.d"
check "... nothing else is left there" test "$(find "$T/flaky.d" -mindepth 1 | grep -vc '/part-0000[0-3]$')" = 0

# ---- a worker dies ---------------------------------------------------------------------------------------------------
job killed "$WORDS" --workers 4 --reduces 4 --heartbeat 100ms --lease 1s --output "$T/killed.d" "$T"/text/* -- slow 400
workers() {
    pgrep -P "${PID[killed]}" -f 'trawl worker'
}
four() {
    [ "$(workers | wc -l)" = 4 ]
}
check "four workers run" wait_until 10 four
victim=$(workers | head -n 1)
sleep 0.7
kill -KILL "$victim"
check "a worker is killed in mid-job: the job ends" exits killed 60 0
check "... with the same output" same "$T/killed.d" "$T/expected"
check "... and says that it died" grep -q 'was killed by signal 9' "$T/killed.err"

# ---- nobody leaves early --------------------------------------------------------------------------------------------
job early "$WORDS" --workers 3 --reduces 3 --output "$T/early.d" "$T"/text/* -- slow 300
early_workers() {
    pgrep -P "${PID[early]}" -f 'trawl worker' | wc -l
}
three() {
    [ "$(early_workers)" = 3 ]
}
one_left() {
    [ "$(early_workers)" -lt 3 ]
}
check "three workers run" wait_until 10 three
wait_until 30 one_left
(cd "$T/early.d" && cksum part-*) >"$T/early.then" 2>&1
check "the job ends" exits early 30 0
check "... when the first worker left, the output was whole" diff "$T/early.then" <(cd "$T/early.d" && cksum part-*)

# ---- a record that crashes the function -----------------------------------------------------------------------------
sed '700s/^/poisonword /' "$T/text/text3" >"$T/text3.bad"
job crash "$WORDS" --workers 2 --output "$T/crash.d" "$T/text3.bad" -- crash poisonword
check "a line that crashes the function: the job ends" exits crash 60 0
check "... one record is skipped" test "$(figure "$T/crash.out" skipped)" = 1
check "... all others count" test "$(sorted "$T/crash.d" | awk '{ n += $2 } END { print n }')" = $((1999 * 8))

# ---- commands ------------------------------------------------------------------------------------------------------
LONGEST=$TOP/examples/longest.py
cat "$T"/text/* | tr -cs 'A-Za-z' '\n' | awk 'NF { l = substr($1, 1, 1); w = best[l]
    if (length($1) > length(w) || (length($1) == length(w) && $1 > w)) best[l] = $1 }
    END { for (l in best) print l, best[l] }' | LC_ALL=C sort >"$T/longest"
job stream --map "$LONGEST map" --reduce "$LONGEST reduce" --workers 2 --output "$T/stream.d" "$T"/text/*
check "a job of commands in Python ends" exits stream 60 0
check "... with the right output" same "$T/stream.d" "$T/longest"
job pipes --shell --map "tr -cs 'a-z' '\\n' | sed '/./s/\$/\\t1/'" --reduce "cut -f1 | uniq -c | awk '{ print \$2, \$1 }'" \
    --workers 2 --output "$T/pipes.d" "$T"/text/*
check "commands with a shell end" exits pipes 60 0
check "... with the right output" same "$T/pipes.d" "$T/expected"
job early2 --map 'head -n 1' --reduce cat --workers 2 --output "$T/early2.d" "$T"/text/*
check "a command that has seen enough is fine" exits early2 60 0
job broken --map 'false' --reduce cat --workers 2 --task-attempts 2 --output "$T/broken.d" "$T"/text/*
check "a command that fails: the job fails" exits broken 60 1
check "... and says which, and how" grep -q 'map command false: exited with code 1' "$T/broken.err"

# ---- a record that a command dies of ----------------------------------------------------------------------------------
# skipped NAME: the names that the job gives.
skipped() {
    sed -n '/^  skipped/,/^  [a-z]/s/^ \{12\}//p' "$T/$1.out"
}
say() {
    local name=$1
    shift
    start "$name" "$TRAWL" job run --quiet --workers 2 --output "$T/$name.d" "$@"
}
sed -e '300s/^/poisonword /' -e '1500s/^/poisonword /' "$T/text/text3" >"$T/text4"
named=$(for n in 300 1500; do echo "text4:$(head -n $((n - 1)) "$T/text4" | wc -c)"; done)
grep -v poisonword "$T/text4" | tr -s ' ' '\n' | LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }' >"$T/counted"
say died --shell --map "perl -ne 'kill 11, \$\$ if /poison/; print \"\$_\\t1\\n\" for split'" \
    --reduce "cut -f1 | uniq -c | awk '{ print \$2, \$1 }'" "$T/text4"
check "a map command that dies of a signal on two records: the job ends" exits died 60 0
check "... they are named, and only they" test "$(skipped died)" = "$named"
check "... all others count" same "$T/died.d" "$T/counted"
say exited --shell --map "tr -s ' ' '\\n' | sed 's/\$/\\t1/'" --reduce "awk '\$1 == \"poisonword\" { exit 3 } { n[\$1]++ } END { for (w in n) print w, n[w] }'" \
    "$T/text4"
check "a reduce command that exits on a key: the job ends" exits exited 60 0
check "... the key is named" test "$(skipped exited)" = poisonword
check "... all others count" same "$T/exited.d" <(tr -s ' ' '\n' <"$T/text4" | grep -v poisonword | LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }')
say later --shell --map "awk 'NR == 1 && /poison/ { exit 3 } /poison/ && ++seen == 2 { exit 3 } { print NR }'" --reduce cat "$T/text4"
check "a command that dies of the second of two records: the job ends" exits later 60 0
check "... the second is named" test "$(skipped later)" = "$(tail -n 1 <<<"$named")"
job once --shell --map "mkdir '$T/flag' 2>/dev/null && exit 3; cat" --reduce cat --workers 1 --output "$T/once.d" "$T/text4"
check "a death that does not come again: the job ends" exits once 60 0
check "... it is no record's doing" test "$(figure "$T/once.out" maps failures) $(figure "$T/once.out" skipped)" = "1 0"

# ---- lines that match ---------------------------------------------------------------------------------------------------
job grep grep --workers 2 --output "$T/grep.d" "$T"/text/* -- '\bab[a-d]{2}\b'
check "grep ends" exits grep 60 0
check "... with the lines that grep(1) finds" same "$T/grep.d" <(cd "$T/text" && grep -P '\bab[a-d]{2}\b' text* | sed 's/:/\t/' | LC_ALL=C sort)

# ---- pages of a crawl ----------------------------------------------------------------------------------------------
port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 1 --port "$port" --pages 30 --size 1500 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.1.1
start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --delay 0s --quiet --seeds "$T/site/seeds.txt"
check "a small crawl ends" exits crawl 60 0
job pages wordcount --input "$T/crawl" --workers 2
check "word count over its pages ends" exits pages 60 0
check "... its output lies with the crawl" test -s "$T/crawl/jobs/wordcount/part-00000"
job urls --map "$TOP/tests/jobs/urls.py" --reduce "sort -u" --workers 2 --output "$T/urls.d" --input "$T/crawl"
check "a command over its pages ends" exits urls 60 0
check "... each page was given to it once" diff <(cut -f1 "$T/urls.d"/part-* | LC_ALL=C sort) \
    <("$TRAWL" export "$T/crawl" --format jsonl | python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row.get("status"):
        print(row["url"])' | LC_ALL=C sort)

# ---- mistakes ----------------------------------------------------------------------------------------------------------
# wrong TEXT ARGUMENT...: exit 2, and the message has the text.
wrong() {
    local text=$1 rc=0
    shift
    "$TRAWL" job "$@" >"$T/wrong.out" 2>"$T/wrong.err" || rc=$?
    [ "$rc" = 2 ] && grep -q "$text" "$T/wrong.err"
}
check "no such job" wrong 'nosuch: no such job; there are wordcount' run nosuch --output "$T/x" "$T/text"
check "no input" wrong 'no input: accepted is' run wordcount --output "$T/x"
check "no such file" wrong 'cannot read .*nofile' run wordcount --output "$T/x" "$T/nofile"
check "an output that is in use" wrong 'not empty' run wordcount --output "$T/killed.d" "$T/text"
check "no such verb" wrong 'accepted is run NAME' walk
check "a wrong size" wrong 'sort-memory' run wordcount --sort-memory 1 --output "$T/x" "$T/text"
check "too many reduce tasks" wrong 'accepted is a number from 1 to 4096' run wordcount --reduces 10000 --output "$T/x" "$T/text"
check "too many partitions" wrong 'accepted are products of up to' run wordcount --reduces 4096 --split-size 64 --output "$T/x" "$T/text"
check "a wrong pattern" wrong 'pattern (: missing closing parenthesis' run grep --output "$T/x" "$T/text" -- '('
check "no such map program" wrong 'map command nosuch -x: there is no program nosuch' \
    run --map 'nosuch -x' --reduce cat --output "$T/x" "$T/text"
check "no such reduce program" wrong 'reduce command ./nosuch: there is no program' run --map cat --reduce ./nosuch --output "$T/x" "$T/text"
check "what a shell does not take, and why" wrong 'does not take it; standard error: .*[Ss]yntax' \
    run --shell --map 'cat |' --reduce cat --output "$T/x" "$T/text"
check "no such shared object" wrong 'nosuch.so' run ./nosuch.so --output "$T/x" "$T/text"
check "a file that is none" wrong 'text0' run "$T/text/text0" --output "$T/x" "$T/text"
check "... nothing was begun" test ! -e "$T/x"
# at_once TEXT ARGUMENT...: the same of what only a task can find out: at its first attempt.
at_once() {
    "$TRAWL" job run --quiet --workers 1 --heartbeat 200ms --lease 2s "${@:2}" >"$T/once.out" 2>"$T/once.err"
    [ $? = 2 ] && grep -q "$1" "$T/once.err" && [ "$(wc -l <"$T/once.err")" = 1 ]
}
printf '#!/nowhere/interpreter\n' >"$T/program"
chmod +x "$T/program"
check "a program without its interpreter" at_once 'No such file' --map "$T/program" --reduce cat --output "$T/x1" "$T/text"
check "a word that the shell does not find" at_once 'exited with code 127; standard error: .*nosuch' \
    --shell --map nosuch --reduce cat --output "$T/x2" "$T/text"

# ---- what commands say, and where they run ---------------------------------------------------------------------------
mkdir "$T/here"
cat >"$T/here/say.sh" <<'SH'
#!/bin/sh
echo "first words" >&2
echo "last words" >&2
exit 4
SH
chmod +x "$T/here/say.sh"
in_here() {
    local name=$1
    shift
    start "$name" env -C "$T/here" "$TRAWL" job run --quiet --workers 1 "$@"
}
in_here says --map ./say.sh --reduce cat --task-attempts 2 --output "$T/says.d" "$T/text"
check "a command beside which the job was started, that fails: the job fails" exits says 60 1
check "... with the last that it said" grep -q 'exited with code 4; standard error: .*first words | last words' "$T/says.err"
check "... all of which is in the log" grep -q 'stderr: of a task attempt=[0-9]* line="first words"' "$T"/says.d/.trawl-job/logs/worker-*.log
check "... of which it says where it is" grep -qF "logs: $T/says.d/.trawl-job/logs" "$T/says.err"
in_here again --shell --map 'cat >/dev/null; ls say.sh' --reduce cat --output "$T/says.d" "$T/text"
check "the same output can be used again, and relative names are of where the job was started" exits again 60 0
check "... nothing but the output is left there" test "$(ls -A "$T/says.d")" = part-00000
# shellcheck disable=SC2016
check "README's own example runs as it stands there" bash -c 'cd "$1" && "$2" job run --quiet --workers 1 --output "$3/readme.d" \
    --map "examples/longest.py map" --reduce "examples/longest.py reduce" "$3"/text/*' - "$TOP" "$TRAWL" "$T"
check "... with the right output" same "$T/readme.d" "$T/longest"
printf '\tno key\nkey\tvalue\n' >"$T/keys"
job empty --map cat --reduce cat --workers 1 --output "$T/empty.d" "$T/keys"
check "an empty key is a key" exits empty 60 0
check "... which comes first" diff "$T/keys" "$T/empty.d/part-00000"
python3 -c "print('x' * 5000000); print('y')" >"$T/wide"
job wide --map 'cut -c1-5' --reduce cat --workers 1 --output "$T/wide.d" "$T/wide"
check "a line of over 4 MiB comes in pieces" exits wide 60 0
check "... which is counted" test "$(figure "$T/wide.out" counters 'lines over 4 MiB cut')" = 1

# ---- jobs that run by themselves are found ------------------------------------------------------------------------------
mkdir "$T/apart"
apart() {
    (cd "$T/apart" && exec "$TRAWL" job "$@")
}
start lone env -C "$T/apart" "$TRAWL" job run --quiet --workers 1 --shell --map "while [ ! -e '$T/end' ]; do sleep 0.1; done; cat" --reduce cat "$T/text"
listed() {
    apart list "$@" | grep -q "running .*$T/apart/stream.out"
}
check "job list finds it by where its output is by default" wait_until 20 listed
check "... and by --dir" listed --dir "$T/apart/stream.out"
# shellcheck disable=SC2016
check "a second one for the same output is refused" bash -c '"$1" job run --map cat --reduce cat --output "$2/apart/stream.out" "$2/text" 2>&1 |
    grep -q "in use by another job"' - "$TRAWL" "$T"
check "job cancel finds it, too" apart cancel 1
check "... and it ends" exits lone 20 1
check "... and says why" grep -q 'was cancelled: cancelled by an operator' "$T/lone.err"
touch "$T/end"
finish
