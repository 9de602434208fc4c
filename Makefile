# Everything one can do here. `make` alone lists it. CI calls only these targets; each installs what it needs.
# Variables: ARGS (server arguments), PREFIX and DESTDIR (install), SEED and STEPS (sim), TARGET and SECONDS (fuzz),
# ROUNDS and CASES (bench, hitrate, density, scale and its like), THREADS (scale and its like), BASE (bench-compare),
# TRACES (hitrate), REQUESTS (hitrate, shift), SERVER and CLIENTS (clients), SERVER, OPPONENT, SECONDS, ITEMS, ROUNDS
# and MANY (soaks).

.DEFAULT_GOAL := help
SHELL := /bin/bash
SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
ROUNDS ?= 5
CASES ?=
TRACES ?= ../shared/traces
REQUESTS ?=
TARGET ?= session
RELEASE := $(SWIFT) build -c release --static-swift-stdlib
BINARY := .build/release/swiftcached
BENCH := .build/release/swiftcached-bench
# As root a server wants to be told whom to become.
ROOT_USER := $(if $(filter 0,$(shell id -u)),-u nobody,)

BUILD_PACKAGES := libevent-dev libsasl2-dev libssl-dev pkg-config
TEST_PACKAGES := libmemcached-dev libmemcached-tools libsasl2-modules memcached openssl php-cli php-memcached \
	python3-pylibmc
CLIENTS_PACKAGES := golang-github-bradfitz-gomemcache-dev golang-go libcache-memcached-fast-perl \
	libcache-memcached-perl libmemcached-tools libspymemcached-java openjdk-17-jdk-headless perl php-cli \
	php-memcached python3-pylibmc python3-venv ruby-connection-pool ruby-dalli ruby-rack sasl2-bin
CLIENTS_PIP := aiomcache==0.8.2 emcache==1.3.3 marisa-trie==1.2.1 meta-memcache==4.3.0 meta-memcache-socket==0.3.1 \
	pymemcache==4.0.0 python-binary-memcached==0.33.0 python-memcached==1.62 uhashring==2.5 zstandard==0.25.0
# Apart from the others, because its module has the name of python-memcached's.
CLIENTS_PIP_APART := memcache==0.14.0 anyio==3.7.1 hashring==1.5.1 idna==3.20 sniffio==1.3.1
BENCH_PACKAGES := memcached valgrind
DEB_PACKAGES := dpkg-dev binutils python3
CHROOT_PACKAGES := debootstrap iproute2 python3-yaml
TOOLS_PACKAGES := libanyevent-perl libcache-memcached-perl libmemcached-tools libyaml-perl memcached python3
# Monitors of which only the part for memcached is wanted: unpacked, not installed, so that none of them starts.
TOOLS_UNPACKED := collectd-core monitoring-plugins-contrib munin-plugins-core munin-plugins-extra netdata-plugins-python
SCALE_OUT_PACKAGES := nutcracker python3-pylibmc

.PHONY: help build run test test-release check format asan tsan sim fuzz fuzz-minimise fuzz-program watcher-soak \
	large-soak expiry-soak growth-soak restart-soak churn-soak start-stop scale hotkey connections quiet bench bench-quick bench-big \
	bench-instructions bench-limits bench-history bench-compare hitrate density shift debug-server \
	debug-verbs-test install clean clients clients-quick build-packages test-packages bench-packages clients-packages \
	deb deb-test image-test unit-test tools tools-quick scale-out shell-check

help: ## This list.
	@echo "make run      then, in another terminal:  telnet 127.0.0.1 11211"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

# $(call install_packages,NAMES): installs the Debian packages that are missing, as root or through sudo; otherwise says
# what to run and stops.
define install_packages
	@missing=""; for name in $(1); do \
	  dpkg-query -W -f '$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$name"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then as=""; \
	  elif sudo -n true 2>/dev/null; then as="sudo"; \
	  else echo "Missing packages. Run this, then make again:"; \
	    echo "  sudo apt-get update && sudo apt-get install -y$$missing"; exit 1; fi; \
	  echo "installing$$missing"; \
	  { $$as apt-get update && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	    $$missing; } > /tmp/swiftcached-packages.log 2>&1 \
	    || { tail -n 20 /tmp/swiftcached-packages.log; \
	      echo "The packages could not be installed. Run: apt-get update && apt-get install -y$$missing"; exit 1; }; \
	fi
endef

build-packages:
	$(call install_packages,$(BUILD_PACKAGES))
test-packages: build-packages
	$(call install_packages,$(TEST_PACKAGES))
clients-packages:
	$(call install_packages,$(CLIENTS_PACKAGES))
bench-packages: build-packages
	$(call install_packages,$(BENCH_PACKAGES))

build: build-packages ## Build the release server, .build/release/swiftcached, with the Swift library linked in.
	$(RELEASE) --product swiftcached

run: build ## Serve on 127.0.0.1:11211 in the foreground; make run ARGS="-m 256 -vv".
	exec $(BINARY) $(ROOT_USER) $(if $(findstring -l,$(ARGS)),,-l 127.0.0.1) $(ARGS)

test: test-packages ## All tests: units, model, transcripts, real clients, the real server. Then the allocation counts.
	$(SWIFT) test
	$(MAKE) --no-print-directory clients-quick
	$(MAKE) --no-print-directory tools-quick
	$(MAKE) --no-print-directory unit-test SERVER=.build/debug/swiftcached
	$(MAKE) --no-print-directory test-release

test-release: test-packages ## The tests that need an optimised build: allocations on the request path.
	$(SWIFT) test -c release -Xswiftc -enable-testing --scratch-path .build/release-tests --filter AllocationTests

check: test-packages bench-packages ## What every commit passes: formatting, no warning, tidiness, costs of a request.
	$(SWIFT) format lint --strict --recursive --parallel Sources Tests Package.swift
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build --filter TidyTests
	$(MAKE) --no-print-directory bench-limits

format: ## Rewrite all Swift files in the project's format.
	$(SWIFT) format --in-place --recursive --parallel Sources Tests Package.swift

# $(call sanitize,KIND,OPTIONS): the core's tests under the sanitizer, then everything that drives a server process against
# a server built with it (the C client itself stays as Debian built it: its assertions do not survive the slowness).
define sanitize
	$(2) $(SWIFT) test --sanitize=$(1) --scratch-path .build/$(1) --filter CacheCoreTests
	$(SWIFT) build --product swiftcached --sanitize=$(1) --scratch-path .build/$(1)
	$(2) SWIFTCACHED_BINARY=$(CURDIR)/.build/$(1)/debug/swiftcached \
	  $(SWIFT) test --filter 'ServerTests|LibmemcachedTests|ConformanceTests'
endef

# Debian's own Python, for which python3-pylibmc is.
.build/clients-venv/done: Makefile | clients-packages
	/usr/bin/python3 -m venv --clear --system-site-packages .build/clients-venv
	.build/clients-venv/bin/pip install --quiet --disable-pip-version-check $(CLIENTS_PIP)
	rm -rf .build/clients-memcache
	.build/clients-venv/bin/pip install --quiet --disable-pip-version-check --ignore-installed \
	  --target .build/clients-memcache $(CLIENTS_PIP_APART)
	touch $@

clients: $(if $(SERVER),,build) .build/clients-venv/done ## Clients in six languages: make clients CLIENTS="dalli".
	SERVER=$(or $(SERVER),$(BINARY)) .build/clients-venv/bin/python Tests/clients/run.py $(CLIENTS)

clients-quick: test-packages ## Those of them that are quick, against the debug build; part of make test.
	SERVER=$(or $(SERVER),.build/debug/swiftcached) /usr/bin/python3 Tests/clients/run.py --quick

# Its own scratch path: the verbs are in no other build.
debug-server: build-packages ## A server with the verbs misbehave, debugtime and debugitem, in .build/debug-verbs/debug.
	$(SWIFT) build --product swiftcached --scratch-path .build/debug-verbs -Xswiftc -DDEBUG_VERBS

debug-verbs-test: debug-server ## What that server answers to them.
	SERVER=$(or $(SERVER),.build/debug-verbs/debug/swiftcached) /usr/bin/python3 Tests/debug/verbs.py

asan: test-packages ## The tests with the address sanitizer, and against a server built with it.
	$(call sanitize,address,ASAN_OPTIONS=detect_leaks=0)

tsan: test-packages ## The tests with the thread sanitizer, and against a server built with it.
	$(call sanitize,thread,TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/tsan-suppressions.txt)

sim: test-packages ## Random commands against the model for longer: make sim SEED=7 STEPS=1000000.
	SIM_SEED=$(SEED) SIM_STEPS=$(STEPS) $(SWIFT) test -c release -Xswiftc -enable-testing \
	  --scratch-path .build/release-tests --filter ModelTests

# The fuzz program and its working directory: inputs found so far, and in crashes/ what made it stop.
FUZZ := .build/fuzzer/release/Fuzz
FUZZ_INPUTS := .build/fuzz/$(TARGET)
FUZZ_KEPT := Tests/Fuzz/Corpus/$(TARGET).txt
# `fuzzer` alone lets SwiftPM leave the main to libFuzzer; the later flag adds the address sanitizer to it.
FUZZ_BUILD := SWIFTCACHED_FUZZ=1 $(SWIFT) build -c release --scratch-path .build/fuzzer --product Fuzz \
	--sanitize=fuzzer -Xswiftc -sanitize=fuzzer,address -Xswiftc -enable-testing
# Swift's own crash report would wait for the fuzzer, and the fuzzer for it.
FUZZ_RUN := FUZZ_TARGET=$(TARGET) SWIFT_BACKTRACE=enable=no $(FUZZ)

fuzz-program: build-packages
	$(FUZZ_BUILD)
	mkdir -p $(FUZZ_INPUTS) .build/fuzz/crashes
	FUZZ_UNPACK=$(FUZZ_KEPT) FUZZ_DIRECTORY=$(FUZZ_INPUTS) $(FUZZ_RUN)

fuzz: SECONDS ?= 60
fuzz: fuzz-program ## libFuzzer and the address sanitizer on one target: make fuzz TARGET=text SECONDS=600.
	$(FUZZ_RUN) -max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -print_final_stats=1 \
	  -dict=Tests/Fuzz/Dictionaries/$(TARGET).dict -artifact_prefix=.build/fuzz/crashes/$(TARGET)- $(FUZZ_INPUTS)

fuzz-minimise: fuzz-program ## Keep what make fuzz found: make fuzz-minimise TARGET=text rewrites its corpus file.
	rm -rf $(FUZZ_INPUTS).least && mkdir -p $(FUZZ_INPUTS).least
	$(FUZZ_RUN) -set_cover_merge=1 -use_counters=0 -max_len=1024 $(FUZZ_INPUTS).least $(FUZZ_INPUTS)
	FUZZ_PACK=$(FUZZ_KEPT) FUZZ_DIRECTORY=$(FUZZ_INPUTS).least $(FUZZ_RUN)
	rm -rf $(FUZZ_INPUTS) && mv $(FUZZ_INPUTS).least $(FUZZ_INPUTS)

watcher-soak: build ## Two minutes of full load, without and with a watcher that never reads; fails above 5 %.
	SERVER=$(or $(SERVER),$(BINARY)) /usr/bin/python3 Tests/soak/watcher.py

# $(call soak,SCRIPT AND OPTIONS): ours and an OPPONENT, memcached unless told otherwise.
soak = SERVER=$(or $(SERVER),$(BINARY)) OPPONENT=$(OPPONENT) /usr/bin/python3 Tests/soak/$(1)

large-soak: SECONDS ?= 600
large-soak: $(if $(SERVER),,build) bench-packages ## 1 KB to 10 MB in 256 MB; ours refuses no set: SECONDS=600.
	$(call soak,large.py --seconds $(SECONDS))

expiry-soak: $(if $(SERVER),,build) bench-packages ## How late expired items leave, and what it costs; five minutes.
	$(call soak,expiry.py)

growth-soak: ITEMS ?= 33554432
growth-soak: ROUNDS = 1
growth-soak: $(if $(SERVER),,build) bench-packages ## The longest get while the hash table grows: ITEMS=33554432 ROUNDS=3.
	$(call soak,growth.py --items $(ITEMS) --rounds $(ROUNDS))

restart-soak: ITEMS ?= 1000000
restart-soak: ROUNDS = 200
restart-soak: MANY ?= 20000000
restart-soak: $(if $(SERVER),,build) ## Warm restarts: exact, damaged, timed: ITEMS=1000000 ROUNDS=200 MANY=20000000.
	$(call soak,restart.py --items $(ITEMS) --rounds $(ROUNDS) --many $(MANY))

churn-soak: SECONDS ?= 30
churn-soak: $(if $(SERVER),,build) bench-packages ## Connect, get, close, as often as goes: nothing lost, nothing left.
	$(call soak,churn.py --seconds $(SECONDS))

start-stop: $(if $(SERVER),,build) bench-packages ## Start to the first answer (10 ms); stop with 10,000 connections (1 s).
	$(call soak,startstop.py)

bench: build bench-packages ## Ours and Debian's memcached in turn on the same load: CPU, throughput, latency, instructions.
	$(RELEASE) --product swiftcached-bench
	$(BENCH) --rounds $(ROUNDS) $(if $(CASES),--cases $(CASES),)
	$(BENCH) --callgrind

bench-quick: build bench-packages ## The same in a quarter of a minute; numbers to be taken lightly.
	$(RELEASE) --product swiftcached-bench
	$(BENCH) --quick

bench-big: CASES = mget100-20m,pget50-20m,pmg50-20m
bench-big: build bench-packages ## Gets out of 20 million keys; ten minutes, needs 10 GB of memory.
	$(RELEASE) --product swiftcached-bench
	$(BENCH) --rounds $(ROUNDS) --cases $(CASES)

bench-limits: build bench-packages ## What a request costs in instructions, within Tests/bench-limits.txt.
	$(RELEASE) --product swiftcached-bench
	$(BENCH) --limits Tests/bench-limits.txt

bench-history: build bench-packages ## As bench; adds a line for each case to Docs/performance-history.jsonl.
	$(RELEASE) --product swiftcached-bench
	$(BENCH) --rounds $(ROUNDS) $(if $(CASES),--cases $(CASES),) --history Docs/performance-history.jsonl \
	  --label "$$(git describe --always --dirty), $$($(SWIFT) --version 2>/dev/null | grep -o 'Swift version [0-9.]*')"

bench-compare: build bench-packages ## This tree against another commit, interleaved: make bench-compare BASE=HEAD~1.
	@test -n "$(BASE)" || { echo "Which commit? make bench-compare BASE=HEAD~1"; exit 2; }
	rm -rf .build/base/tree && mkdir -p .build/base/tree && git archive $(BASE) | tar -x -C .build/base/tree
	cd .build/base/tree && $(RELEASE) --scratch-path ../build --product swiftcached
	$(RELEASE) --product swiftcached-bench
	$(BENCH) --rounds $(ROUNDS) $(if $(CASES),--cases $(CASES),) --server now=$(BINARY) \
	  --server base=.build/base/build/release/swiftcached --server memcached=/usr/bin/memcached --server floor=floor
	$(BENCH) --callgrind --server now=$(BINARY) --server base=.build/base/build/release/swiftcached

bench-instructions: build bench-packages ## Instructions per request, and by source file, counted by callgrind; repeatable.
	$(RELEASE) --product swiftcached-bench
	$(BENCH) --by-file

# $(call measure_memory,RUN): one of the runs that ask what a server makes of its memory.
define measure_memory
	$(RELEASE) --product swiftcached-bench
	$(BENCH) $(1) --rounds $(ROUNDS) $(if $(CASES),--cases $(CASES),) $(if $(REQUESTS),--requests $(REQUESTS),)
endef

hitrate: ROUNDS := 3
hitrate: build bench-packages ## Misses on recorded traces at equal -m: make hitrate TRACES=../shared/traces ROUNDS=3.
	$(call measure_memory,hitrate --traces $(TRACES))

density: ROUNDS := 1
density: build bench-packages ## Keys and values held in -m 256, for each size of value: make density CASES=100,mixed.
	$(call measure_memory,density)

shift: ROUNDS := 1
shift: build bench-packages ## Misses while the sizes of values change from small to large and back.
	$(call measure_memory,shift)

# $(call measure_scaling,RUN): one of the runs that ask how a server scales; their bars decide the exit status.
define measure_scaling
	$(RELEASE) --product swiftcached-bench
	$(BENCH) $(1) --rounds $(ROUNDS) $(if $(CASES),--cases $(CASES),) $(if $(THREADS),--threads $(THREADS),)
endef

scale: ROUNDS = 11
scale: build bench-packages ## 1 to 8 workers, two load processes, nothing pinned; bars at -t 4: make scale CASES=get1.
	$(call measure_scaling,scale)

hotkey: build bench-packages ## One key wanted by all workers; futex calls counted: make hotkey THREADS=1,4.
	$(call install_packages,strace)
	$(call measure_scaling,hotkey)

connections: build bench-packages ## CPU and p99 with 1 to 10,000 open connections; memory of an idle one.
	$(call measure_scaling,connections)

quiet: build bench-packages ## A get each 5 ms beside 8 connections that send 500 gets in each write: its p99.
	$(call measure_scaling,quiet)

# Packages and images. The chroots need root; each is made once with debootstrap below .build.
DEB := .build/deb

deb: build ## Build the Debian package, .build/deb/swiftcached_*.deb.
	$(call install_packages,$(DEB_PACKAGES))
	docker/debian/build.sh $(BINARY) $(DEB)

deb-test: deb ## Take over from memcached, start, stop, upgrade, remove and purge that package in a chroot.
	$(call install_packages,$(CHROOT_PACKAGES))
	REVISION=2 docker/debian/build.sh $(BINARY) $(DEB)/later
	/usr/bin/python3 Tests/packaging/deb.py $(DEB)/swiftcached_*-1_*.deb $(DEB)/later/swiftcached_*-2_*.deb

image-test: build ## The Dockerfile's steps in a chroot, then the image's entry point, user, health check and signals.
	$(call install_packages,$(CHROOT_PACKAGES))
	rm -rf .build/image-out
	$(MAKE) --no-print-directory install PREFIX=/usr/local DESTDIR=$(CURDIR)/.build/image-out
	/usr/bin/python3 Tests/packaging/image.py $(CURDIR)/.build/image-out

unit-test: $(if $(SERVER),,build) ## The server under the restrictions of the systemd unit; skipped without root.
	SERVER=$(or $(SERVER),$(BINARY)) /usr/bin/python3 Tests/packaging/unit.py

shell-check: ## Lint what shells, systemd and Debian read: shellcheck, systemd-analyze, lintian where they are installed.
	Tests/packaging/lint.sh $(wildcard $(DEB)/*.deb)

# The tools people keep beside a memcached server.
.build/tools/done: Makefile
	rm -rf .build/tools && mkdir -p .build/tools/packages
	cd .build/tools/packages && apt-get -qq download $(TOOLS_UNPACKED)
	for package in .build/tools/packages/*.deb; do dpkg-deb -x $$package .build/tools; done
	touch $@

tools: $(if $(SERVER),,build) .build/tools/done ## memcached-tool, damemtop, munin, collectd, netdata and others against ours.
	$(call install_packages,$(TOOLS_PACKAGES))
	SERVER=$(or $(SERVER),$(BINARY)) /usr/bin/python3 Tests/tools/run.py

tools-quick: test-packages ## Those that need nothing more, against the debug build; part of make test.
	SERVER=$(or $(SERVER),.build/debug/swiftcached) /usr/bin/python3 Tests/tools/run.py --quick

scale-out: SECONDS ?= 4
scale-out: $(if $(SERVER),,build) ## Three servers behind twemproxy and behind ketama; one dies and comes back under load.
	$(call install_packages,$(SCALE_OUT_PACKAGES))
	SERVER=$(or $(SERVER),$(BINARY)) /usr/bin/python3 Tests/scaleout/run.py --seconds $(SECONDS)

install: build ## Install swiftcached, and a memcached link beside it: make install PREFIX=/usr DESTDIR=/tmp/root.
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/swiftcached
	ln -sf swiftcached $(DESTDIR)$(PREFIX)/bin/memcached

clean: ## Remove everything that was built.
	rm -rf .build
