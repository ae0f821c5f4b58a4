# trawl: `make help` lists the targets.
#   make CC=clang             another compiler
#   make SANITIZE=thread      a build variant of its own (also address,undefined), in build-thread/
#   make WERROR=1             warnings are errors (CI)
ifeq ($(origin CC),default)
CC       := gcc
endif
PREFIX   ?= /usr/local
VERSION  := 0.1.0

comma    := ,
empty    :=
variant  := $(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
B        ?= build$(variant)

PKGS     := libprotobuf-c libcurl libnghttp2 libcares libdeflate libxxhash liblz4 libpcre2-8 jansson libmicrohttpd libpsl icu-uc sqlite3 zlib libbrotlidec libzstd libssl libcrypto expat libseccomp
# Faster where they are there (shared/gzip_pack.h, shared/digest.h).
ISAL     := $(shell pkg-config --exists libisal && echo libisal)
IPSEC_MB := $(shell echo '\#include <intel-ipsec-mb.h>' | $(CC) -E - >/dev/null 2>&1 && echo -lIPSec_MB)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) $(ISAL) 2>/dev/null) $(if $(ISAL),-DHAVE_ISAL) \
              $(if $(IPSEC_MB),-DHAVE_IPSEC_MB)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) $(ISAL) 2>/dev/null) $(IPSEC_MB) -lnng -lrocksdb -lpthread -lm

OPT      ?= -O3 -g
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes $(if $(WERROR),-Werror)
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DTRAWL_VERSION='"$(VERSION)"' $(OPT) $(WARN) -fno-omit-frame-pointer \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all) \
             -I. -I$(B) $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

CLI_SRC  := cli/main.c
LIB_SRC  := $(filter-out $(CLI_SRC),$(wildcard shared/*.c proto/*.c master/*.c worker/*.c cli/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o) $(B)/proto/trawl.pb-c.o
CLI_OBJ  := $(CLI_SRC:%.c=$(B)/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/%)

all: $(B)/trawl ## build build/trawl (installs nothing)

$(B)/trawl: $(CLI_OBJ) $(B)/libtrawl.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(B)/libtrawl.a: $(LIB_OBJ)
	rm -f $@
	ar rcs $@ $^

# Says what to do before the first compiler error does not.
libraries:
	@missing=; for p in $(PKGS); do pkg-config --exists $$p 2>/dev/null || missing="$$missing $$p"; done; \
	printf '#include <nng/nng.h>\n#include <rocksdb/c.h>\n' | $(CC) -E - >/dev/null 2>&1 || missing="$$missing nng-or-rocksdb"; \
	command -v protoc-c >/dev/null || missing="$$missing protoc-c"; \
	[ -z "$$missing" ] || { echo "missing:$$missing: run \`make deps\`" >&2; exit 1; }

$(B)/proto/trawl.pb-c.c $(B)/proto/trawl.pb-c.h: proto/trawl.proto | libraries
	@mkdir -p $(B)/proto
	protoc-c --proto_path=proto --c_out=$(B)/proto proto/trawl.proto

# Generated code is not held to our warnings.
$(B)/proto/trawl.pb-c.o: $(B)/proto/trawl.pb-c.c
	$(CC) -std=c11 -D_GNU_SOURCE $(OPT) $(if $(SANITIZE),-fsanitize=$(SANITIZE)) -I$(B)/proto -c -o $@ $<

$(B)/%.o: %.c | $(B)/proto/trawl.pb-c.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -MT $@ -c -o $@ $<

$(B)/tests/%: tests/unit/%.c $(B)/libtrawl.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -MT $@ $(LDFLAGS_ALL) -o $@ $< $(B)/libtrawl.a $(PKG_LIBS) -lcmocka -lgumbo

# The program under test of tests/differential/run.mjs.
$(B)/tests/differential: tests/differential/driver.c $(B)/libtrawl.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -MT $@ $(LDFLAGS_ALL) -o $@ $< $(B)/libtrawl.a $(PKG_LIBS)

# Preloaded by end-to-end tests; never instrumented, for it comes before any sanitizer.
$(B)/tests/faults.so: tests/faults/faults.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -fPIC -shared -o $@ $< -ldl -lpthread

# Functions of jobs, loaded by the program under test.
$(B)/tests/jobs/%.so: tests/jobs/%.c worker/trawl_job.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -I. -fPIC -shared -o $@ $<

unit: $(UNIT_BIN) $(B)/tests/differential $(B)/tests/faults.so $(patsubst tests/jobs/%.c,$(B)/tests/jobs/%.so,$(wildcard tests/jobs/*.c))

# The simulation: the real core and agent, and nothing else that runs.
SIM_SRC  := $(wildcard tests/sim/*.c)
SIM_OBJ  := $(SIM_SRC:%.c=$(B)/%.o)

$(B)/sim: $(SIM_OBJ) $(B)/libtrawl.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

SEEDS    ?= 20000
sim: $(B)/sim ## simulate SEEDS=20000 crawls under faults; SEED=n replays one with its trace
	$(if $(SEED),$(B)/sim $(SEED),scripts/sim.sh $(B)/sim $(SEEDS))

MUTANTS  := NO_FENCING ACK_BEFORE_SYNC NO_LEASE_CHECK NO_DELAY COMMIT_TWICE KEEP_ORPHANS TELL_ONCE FORGET_KIND NO_REST \
            BLAME_ALL NO_STAND BLAME_NOBODY BLAME_UNPROVEN SAME_WORKER TOLD_UNHEARD KEEP_VERDICTS FIRST_WAY MOVE_UNCLAIMED \
            REPEAT_COUNTS NO_BUDGET REFUSE_FREELY GUESTS_WAIT SAME_PROCESS TRUST_COPIES ANY_CRAWL ONE_SEGMENT OLD_TERMS \
            ENDLESS_TURN SLICE_FORGOTTEN REFETCH_FREELY RULES_KEPT RULES_REWRITTEN \
            TASK_TWICE MAP_KEPT OVER_EARLY DONE_UNSTORED TASK_UNFENCED LIST_FIRST

$(B)/mutants/%: $(SIM_OBJ) $(B)/libtrawl.a
	@mkdir -p $(@D)
	B=$(B) scripts/build-mutant.sh $* $@ $(SIM_OBJ) -- $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -- $(B)/libtrawl.a $(PKG_LIBS)

mutants: $(MUTANTS:%=$(B)/mutants/%) ## plant one known bug at a time: the simulation must catch each
	scripts/mutants.sh $^

# Benchmarks of parts, one at a time: make build/bench/frontier. What they measure stands at the top of each.
BENCH_PARTS := $(B)/bench/synth.o $(B)/bench/crew.o $(B)/bench/launch.o
.SECONDARY: $(BENCH_PARTS)

$(B)/bench/%: $(B)/bench/%.o $(BENCH_PARTS) $(B)/libtrawl.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# Fuzzers need clang.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=build-fuzz/%)
TIME     ?= 60
FUZZ_CC  ?= clang

build-fuzz/fuzz_%: tests/fuzz/fuzz_%.c build-fuzz/libtrawl.a
	$(FUZZ_CC) -std=c11 -D_GNU_SOURCE $(OPT) -fsanitize=fuzzer,address,undefined -I. -Ibuild-fuzz $(PKG_CFLAGS) \
	    -o $@ $< build-fuzz/libtrawl.a $(PKG_LIBS)

# A make of its own, which knows what the library is made of.
ifneq ($(B),build-fuzz)
build-fuzz/libtrawl.a: FORCE
	$(MAKE) CC="$(FUZZ_CC)" B=build-fuzz SANITIZE=address,undefined CFLAGS=-fsanitize=fuzzer-no-link build-fuzz/libtrawl.a
FORCE:
endif

fuzzers: $(FUZZ_BIN)

fuzz: fuzzers ## run each fuzzer for TIME=60 seconds
	scripts/fuzz.sh $(TIME) $(FUZZ_BIN)

-include $(LIB_OBJ:.o=.d) $(wildcard $(B)/bench/*.d) $(SIM_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(UNIT_BIN:=.d) $(B)/tests/differential.d

differential: all $(B)/tests/differential ## compare readings of HTTP and pages with others' for TIME=60 seconds; SEED=n CASE=n replays
	scripts/deps.sh build differential
	B=$(B) scripts/differential.sh --time $(TIME) $(if $(SEED),--seed $(SEED)) $(if $(CASE),--case $(CASE))

deps: ## install the packages (Debian or Ubuntu; root or sudo)
	scripts/deps.sh build

demo: ## crawl a small bundled web with three workers, one of which is killed
	scripts/deps.sh build test
	$(MAKE) -j$$(nproc) all
	B=$(B) scripts/demo.sh

test: ## install what is missing, build, run every test
	scripts/deps.sh build test
	$(MAKE) -j$$(nproc) WERROR=1 all unit $(B)/sim
	B=$(B) scripts/test.sh

check: all unit $(B)/sim ## the quick tests, for after a change: under three minutes
	B=$(B) scripts/check.sh

corpora: all unit ## known-answer corpora: cases, passed, and each miss with its reason
	B=$(B) scripts/corpora.sh

gumbo: ## compare links with gumbo's, on each page of three documentation trees
	scripts/deps.sh build test bench
	$(MAKE) $(B)/tests/test_gumbo
	TRAWL_GUMBO_FULL=1 $(B)/tests/test_gumbo

lint: ## formatting, layers, banned functions, static analysis
	scripts/deps.sh build lint
	scripts/lint.sh

bench: ## side by side with wget2, wget, Scrapy and libcurl alone
	scripts/deps.sh build test bench
	$(MAKE) all
	$(MAKE) $(B)/bench/concurrency $(B)/bench/parts $(B)/bench/slow_server
	B=$(B) BENCH_OUT=$(B)/bench-out scripts/bench.sh

install: all ## PREFIX=/usr/local, DESTDIR=
	install -D -m 755 $(B)/trawl $(DESTDIR)$(PREFIX)/bin/trawl
	for c in crawl master worker status ctl export verify why job search; do \
	    mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1; \
	    $(B)/trawl $$c --man >$(DESTDIR)$(PREFIX)/share/man/man1/trawl-$$c.1; \
	done
	$(B)/trawl help --man >$(DESTDIR)$(PREFIX)/share/man/man1/trawl.1

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

clean: ## remove every build directory
	rm -rf build build-*

.PHONY: all libraries unit sim mutants fuzz fuzzers FORCE differential deps demo test check corpora gumbo lint bench install help clean
