#!/usr/bin/env bash
# Calls that have no place here: unbounded copies, hidden state, silent conversions, shells. Prints each; exit 1 if any.
# Tests and benchmarks, which read only what they wrote themselves, may use the ones marked with a star.
set -u
cd "$(dirname "$0")/.." || exit 1

# Word, and what to use instead.
banned='strcpy:memcpy with a length, or a buf
stpcpy:memcpy with a length, or a buf
strcat:a buf
strncpy:memcpy with a length
strncat:a buf
sprintf:snprintf
vsprintf:vsnprintf
gets:getline or read
strtok:strcspn
atoi:a parser that reports errors
atol:a parser that reports errors
atof:a parser that reports errors
scanf:a parser that reports errors
*sscanf:a parser that reports errors
*system:posix_spawn
*popen:posix_spawn
alloca:malloc, or a bounded array
tmpnam:mkstemp
mktemp:mkstemp
rand:a seeded generator of our own
localtime:localtime_r
gmtime:gmtime_r
ctime:strftime
asctime:strftime
*strerror:strerror_r, or %m
*usleep:a timer'
bad=0
for layer in shared proto master worker cli tests bench; do
    [ -d $layer ] && find $layer -name node_modules -prune -o -name '*.[ch]' -print
done | sort | {
    mapfile -t sources
    [ ${#sources[@]} -gt 0 ] || exit 0
    while IFS=: read -r word instead; do
        in=("${sources[@]}")
        if [ "${word#\*}" != "$word" ]; then
            word=${word#\*}
            mapfile -t in < <(printf '%s\n' "${sources[@]}" | grep -vE '^(tests|bench)/')
        fi
        # Neither part of a longer name nor a member, nor in a comment line or a string.
        hits=$(grep -nE "(^|[^A-Za-z0-9_.>\"])${word}[[:space:]]*\(" "${in[@]}" /dev/null |
            grep -vE '^[^:]+:[0-9]+:[[:space:]]*(\*|//|/\*)' | grep -vE "//.*$word|/\*.*$word")
        if [ -n "$hits" ]; then
            while IFS= read -r hit; do
                echo "${hit%%:*}:$(cut -d: -f2 <<<"$hit"): $word is banned: use $instead"
            done <<<"$hits"
            bad=1
        fi
    done <<<"$banned"
    exit $bad
}
