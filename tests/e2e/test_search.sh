#!/usr/bin/env bash
# The job `index` over a crawl's pages, and `trawl search`: what is found, in which order, what is shown of it; hostile pages;
# indexes that are missing, not whole or damaged.
. "$(dirname "$0")/lib.sh"
begin search
need_trawl

port=$(free_port)
python3 - "$T/site" <<'PY'
import os, sys
site = sys.argv[1]
os.mkdir(site)
filler = " ".join(f"filler{i % 97}" for i in range(600))
def put(name, title, body, head=""):
    page = f"<!DOCTYPE html><html><head>{head}<title>{title}</title></head><body>{body}</body></html>"
    open(f"{site}/{name}", "wb").write(page if isinstance(page, bytes) else page.encode())
utf8 = "<meta charset=utf-8>"
names = ["zebra", "often", "once", "both", "script", "evil", "cafe", "latin", "quote"] + [f"f{i}" for i in range(25)]
put("index.html", "Start", "".join(f'<a href="/{n}.html">a page</a> ' for n in names) + '<a href="/notes.txt">notes</a> <a href="/away">a</a>')
put("zebra.html", "All about the zebra", "<p>The zebra is striped. A zebra eats grass.</p>")
put("often.html", "Animals", "<p>zebra zebra zebra and other animals</p>")
put("once.html", "A long page", f"<p>{filler} one zebra stands here {filler}</p>")
put("both.html", "Two of them", "<p>A giraffe met a zeb<b>ra</b>.</p>")
put("script.html", "Scripts", "<script>var s = 'hiddenscript';</script><style>.hiddenstyle{}</style>"
    "<template>hiddentemplate</template><!-- hiddencomment --><p>shown&nbsp;&amp;&eacute;tag&egrave;re</p>")
put("evil.html", "quagga \x1b]0;owned\x07 \u202egnol", "<p>quagga \x1b[31mred&#27;[2J \u009b31m \u202eback</p>", utf8)
put("cafe.html", "Coffee", "<p>Un CAFÉ noir</p>", utf8)
put("quote.html", "Quotes", '<p>say NOT "AND" OR NEAR(this) col:umn star* end^</p>')
open(f"{site}/latin.html", "wb").write(b"<title>latin</title><p>na\xefve fa\xe7ade")
open(f"{site}/notes.txt", "w").write("plain notes <b>about</b> an okapi\n")
for i in range(25):
    marmots = "marmot " * (i % 4 + 1) * (i < 14)
    put(f"f{i}.html", f"Filler {i}", f"<p>{marmots} {filler[:i * 200]}</p>" if i % 2 else f"<p>short filler1 {marmots}</p>")
PY
# shellcheck disable=SC2016
NGINX_SERVER='location = /away { return 301 /zebra.html; } location = /robots.txt { return 200 "User-agent: okapi\n"; }'
nginx_start web "$port" "$T/site" 127.0.1.1
start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --delay 0s --quiet "http://127.0.1.1:$port/"
check "a small crawl ends" exits crawl 60 0

# ---- the index --------------------------------------------------------------------------------------------------
# Whatever is called part-* is whole at any time, and no journal lies beside it.
watch() {
    python3 - "$1" "${PID[$2]}" <<'PY'
import glob, os, sqlite3, sys, time
seen = set()
while True:
    over = not os.path.exists(f"/proc/{sys.argv[2]}") or open(f"/proc/{sys.argv[2]}/stat").read().rsplit(") ", 1)[1][0] == "Z"
    for path in glob.glob(sys.argv[1] + "/part-*"):
        db = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
        db.execute("SELECT part FROM about").fetchone()[0]
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", path
        seen.add(os.path.basename(path))
    if over:
        break
    time.sleep(0.02)
print(len(seen))
PY
}
start index "$TRAWL" job run index --json --quiet --input "$T/crawl" --workers 2 --reduces 3
visible=$(watch "$T/crawl/jobs/index" index 2>"$T/watch.err")
check "the job index ends" exits index 60 0
check "... its parts were whole databases whenever they were visible" test "$visible" = 3
check "... and nothing else is there: no journal, no attempt's file" test "$(find "$T/crawl/jobs/index" -mindepth 1 | grep -vc '/part-0000[0-2]$')" = 0
check "... each page is in it once" test "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["counters"]["pages indexed"])' "$T/index.out")" = 36
start one "$TRAWL" job run index --json --quiet --input "$T/crawl" --workers 1 --reduces 1 --output "$T/one"
check "the same in one part ends" exits one 60 0

# ---- found ------------------------------------------------------------------------------------------------------
# found DIR WORD...: paths of the pages, the best first.
found() {
    local rc=0
    "$TRAWL" search --json "$@" >"$T/found.json" 2>"$T/found.err" || rc=$?
    [ $rc = 0 ] && python3 -c 'import json, sys
print(*[r["url"].split("/")[-1] for r in json.load(open(sys.argv[1]))["results"]])' "$T/found.json"
    return $rc
}
same() {
    [ "$1" = "$2" ] || { echo "got: $1"; echo "due: $2"; return 1; }
}
check "the word in the title comes first, then the denser page" same "$(found "$T/crawl" zebra)" "zebra.html often.html both.html once.html"
check "all words have to be there" same "$(found "$T/crawl" zebra giraffe)" "both.html"
check "words of the title and of the text" same "$(found "$T/crawl" animals zebra)" "often.html"
check "a phrase" same "$(found "$T/crawl" 'met a zebra')" "both.html"
check "... in another order is none" same "$(found "$T/crawl" 'zebra met')" ""
check "case and accents make no difference" same "$(found "$T/crawl" cafe; found "$T/crawl" NAÏVE; found "$T/crawl" étagère)" \
    "$(printf 'cafe.html\nlatin.html\nscript.html')"
check "plain text is found, robots.txt is not" same "$(found "$T/crawl" okapi)" "notes.txt"
for word in hiddenscript hiddenstyle hiddentemplate hiddencomment; do
    check "what is not visible is not found: $word" same "$(found "$T/crawl" $word)" ""
done
check "words are no syntax: operators" same "$(found "$T/crawl" NOT AND OR 'NEAR(this)')" "quote.html"
check "... columns, stars, quotes" same "$(found "$T/crawl" 'col:umn' 'star*' '"AND"' 'end^')" "quote.html"
check "... a star is no prefix search" same "$(found "$T/crawl" 'zeb*')" ""
check "--limit: the best, and how many there are" same "$(found --limit 2 "$T/crawl" zebra; python3 -c 'import json, sys
v = json.load(open(sys.argv[1])); print(v["matches"], v["pages"])' "$T/found.json")" "$(printf 'zebra.html often.html\n4 36')"
found --limit 100 "$T/crawl" marmot >"$T/three.txt"
cp "$T/found.json" "$T/three.json"
found --limit 100 "$T/one" marmot >"$T/one.txt"
check "one part or three: the same pages, scores and order" cmp "$T/three.json" "$T/found.json"
check "... many of them" test "$(wc -w <"$T/one.txt")" = 14
check "... and SQLite's own ranking agrees" python3 - "$T/one/part-00000" "$T/one.txt" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?immutable=1", uri=True)
score = {u.split("/")[-1]: s for u, s in db.execute("SELECT url, bm25(pages, 5, 2, 1) FROM pages WHERE pages MATCH 'marmot'")}
ours = open(sys.argv[2]).read().split()
assert sorted(ours) == sorted(score), (ours, score)
by_score = [score[u] for u in ours]
assert all(a <= b + 1e-9 for a, b in zip(by_score, by_score[1:])) and by_score[0] < by_score[-1] - 0.1, by_score
PY

# ---- shown ------------------------------------------------------------------------------------------------------
"$TRAWL" search "$T/crawl" zebra stands >"$T/shown.txt" 2>"$T/shown.err"
check "title, URL and the place where the words are" grep -q 'filler[0-9]* one \[zebra\] \[stands\] here' "$T/shown.txt"
check "... under title and URL" diff <(head -n 2 "$T/shown.txt") <(printf '1. A long page\n   http://127.0.1.1:%s/once.html\n' "$port")
"$TRAWL" search "$T/crawl" quagga >"$T/evil.txt"
check "a hostile page is found" grep -q '\[quagga\]' "$T/evil.txt"
check "... and none of its escape sequences gets to the terminal" python3 - "$T/evil.txt" <<'PY'
import sys, unicodedata
text = open(sys.argv[1], "rb").read().decode("utf-8")
bad = [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")]
assert not bad and "owned" in text and "red" in text, (bad, text)
PY
check "on a terminal the words are bold" grep -q $'\x1b\\[1mzebra\x1b\\[0m' <(script -qec "'$TRAWL' search '$T/crawl' giraffe zebra" /dev/null)
check "nothing is found: said, exit 0" grep -q 'none of 36 pages has all these words' <("$TRAWL" search "$T/crawl" nosuchword 2>&1 && echo)
check "... of JSON too" test "$("$TRAWL" search --json "$T/crawl" nosuchword)" = '{"pages": 36, "matches": 0, "results": []}'

# ---- an archive of several rounds ---------------------------------------------------------------------------------
# The newest record is first in the file: time counts, not the place.
mkdir -p "$T/rounds/archive"
python3 - "$T/rounds/archive/made.warc.gz" <<'PY'
import gzip, sys
out = open(sys.argv[1], "wb")
def put(kind, path, day, status, text="", of=None):
    body = f"<title>Page</title><p>{text}".encode()
    head = f"HTTP/1.1 {status} x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n".encode()
    block = head + (b"" if kind == "revisit" else body)
    more = f"WARC-Refers-To-Target-URI: http://a.example/{of}\r\nWARC-Profile: http://netpreserve.org/warc/1.1/revisit/x\r\n" if of else ""
    fields = (f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{put.n:012d}>\r\n"
              f"WARC-Date: 2026-01-{day:02d}T00:00:00Z\r\nWARC-Target-URI: http://a.example/{path}\r\n{more}"
              f"Content-Type: application/http;msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n")
    put.n += 1
    out.write(gzip.compress(fields.encode() + block + b"\r\n\r\n"))
put.n = 0
put("response", "changed", 2, 200, "newword")
put("response", "changed", 1, 200, "oldword")
put("response", "gone", 2, 404, "goneword")
put("response", "gone", 1, 200, "goneword")
put("response", "moved", 2, 301)
put("response", "moved", 1, 200, "movedword")
put("revisit", "steady", 4, 304, of="steady")
put("response", "steady", 3, 503, "steadyword")
put("response", "steady", 1, 200, "steadyword")
put("revisit", "copy", 2, 200, of="steady")
put("revisit", "another", 3, 200, of="steady")
put("response", "another", 1, 200, "anotherword")
put("revisit", "stale", 1, 200, of="changed")
PY
start rounds "$TRAWL" job run index --quiet --input "$T/rounds" --workers 1 --reduces 4
check "an index of an archive of several rounds" exits rounds 60 0
check "what is there now is found" same "$(found "$T/rounds" newword)" "changed"
for word in oldword goneword movedword anotherword; do
    check "... what was there once is not: $word" same "$(found "$T/rounds" $word)" ""
done
check "a server's trouble and an unchanged page change nothing" same "$(found "$T/rounds" steadyword)" "steady"
copies() {
    python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["results"][0]["copies"])' "$T/found.json"
}
check "... URLs with the same body are told with it" same "$(copies)" "http://a.example/another http://a.example/copy"
check "... on the screen, too" grep -q '^   also http://a.example/another$' <("$TRAWL" search "$T/rounds" steadyword)
found "$T/rounds" newword >/dev/null
check "... those of what it was before are not" same "$(copies)" ""

# ---- mistakes ---------------------------------------------------------------------------------------------------
# wrong CODE TEXT ARGUMENT...: that exit code, nothing on standard output, and the message has the text.
wrong() {
    local code=$1 text=$2 rc=0
    shift 2
    "$TRAWL" search "$@" >"$T/wrong.out" 2>"$T/wrong.err" || rc=$?
    if [ "$rc" != "$code" ] || [ -s "$T/wrong.out" ] || ! grep -q -- "$text" "$T/wrong.err"; then
        echo "exit $rc, $code was due"
        cat "$T/wrong.err"
        return 1
    fi
}
mkdir -p "$T/empty" "$T/new/archive" "$T/other"
check "no such directory" wrong 1 'cannot read .*nosuch.*No such file' "$T/nosuch" word
check "a crawl without an index" wrong 1 'has no index: make one with trawl job run index' "$T/new" word
check "an empty directory" wrong 1 'has no index' "$T/empty" word
echo "zebra 12" >"$T/other/part-00000"
check "another job's output" wrong 1 'part-00000: cannot be read' "$T/other" word
cp -r "$T/crawl/jobs/index" "$T/gap"
rm "$T/gap/part-00001"
check "a part is missing" wrong 1 'not whole\|there are 2 parts' "$T/gap" zebra
cp -r "$T/crawl/jobs/index" "$T/tail"
rm "$T/tail/part-00002"
check "the last part is missing" wrong 1 'there are 2 parts, and this one is number 0 of 3' "$T/tail" zebra
cp -r "$T/one" "$T/damaged"
python3 - "$T/damaged/part-00000" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    size = f.seek(0, 2)
    for at in range(8192, size, 8192):
        f.seek(at)
        f.write(b"\xff" * 64)
PY
check "a damaged database" wrong 1 'part-00000: cannot be read: .*malformed' "$T/damaged" zebra
truncate -s 20000 "$T/damaged/part-00000"
check "... one that is cut" wrong 1 'part-00000: cannot be read' "$T/damaged" zebra
check "no words" wrong 2 'accepted is: trawl search' "$T/crawl"
check "nothing to search for" wrong 2 'no word to search for' "$T/crawl" -- '--' '"*'
check "a word that is no UTF-8" wrong 2 'not UTF-8' "$T/crawl" $'\xff'
check "a wrong limit" wrong 2 'limit 0: not valid' --limit 0 "$T/crawl" zebra
finish
