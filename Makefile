# SPDX-License-Identifier: GPL-2.0-only
# `make help` lists the targets.  Everything that is built lies in build/.  V=1 shows the commands.

CC := gcc
CLANG := clang
BPFTOOL := $(or $(shell PATH="$$PATH:/usr/sbin" command -v bpftool),bpftool)
PREFIX := /usr/local

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif
MAKEFLAGS += --no-print-directory
Q := $(if $(filter 1,$(V)),,@)
say = @$(if $(filter 1,$(V)),:,printf '  %-8s %s\n' $(1) '$(2)')

.DELETE_ON_ERROR:
.SECONDARY:

# --- flags ---

PACKAGES := libbpf libxdp libevent_core libmnl libsystemd
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lpthread
WARN := -Wall -Wextra -Wno-unused-parameter
CFLAGS := -g -O2
CPPFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -isystem headers
SANITIZE := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined
BPF_CPU := v3
BPF_FLAGS = -target bpf -O2 -g -mcpu=$(BPF_CPU) -Wall -I. -isystem headers -I/usr/include/$(shell $(CC) -dumpmachine)
DEPS := -MMD -MP

BPF_FOLDERS := bpf test/bpf test/e2e test/bench

# --- sources: a folder is a layer, a new file needs no line here ---

USER := $(filter-out user/main.c,$(wildcard user/*.c user/*/*.c))
CTL := $(wildcard user/ctl/*.c)
LIB := $(filter-out $(CTL),$(USER))

UNIT := $(wildcard test/unit/test_*.c test/switch/test_*.c test/control/test_*.c)
UNIT_BIN := $(UNIT:%.c=build/%)
BPF_TEST := $(wildcard test/bpf/test_*.c)
BPF_TEST_BIN := $(BPF_TEST:%.c=build/%)
FUZZ_BIN := $(patsubst %.c,build/%,$(wildcard test/fuzz/fuzz_*.c))
E2E := $(wildcard test/e2e/test_*.py)
E2E_BIN := build/pktgen build/fail_alloc.so build/benchgen

# --- programs ---

.PHONY: all
all: build/ofxdpd build/ofxdpctl
	@:

build/ofxdpd: build/obj/user/main.o build/obj/libofxdp.a
build/ofxdpctl: $(CTL:%.c=build/obj/%.o) build/obj/libofxdp.a
build/ofxdpd build/ofxdpctl:
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# The daemon with sanitizers, for test/stress.
build/san/ofxdpd: build/san/user/main.o build/san/libofxdp.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

SKEL := $(patsubst %.bpf.c,build/%.skel.h,$(notdir $(foreach f,$(BPF_FOLDERS),$(wildcard $(f)/*.bpf.c))))

# Objects come in three kinds: obj (the product), san (sanitizers, for unit and stress tests), fuzz (clang, libFuzzer).
define archive
build/$(1)/libofxdp.a: $$(LIB:%.c=build/$(1)/%.o)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
build/$(1)/%.o: %.c | $(SKEL)
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$(2) $(DEPS) -c -o $$@ $$<
endef
compile = $(CPPFLAGS) $(CFLAGS) $(WARN)
$(eval $(call archive,obj,$$(CC) $$(compile)))
$(eval $(call archive,san,$$(CC) $$(compile) $$(SANITIZE)))
$(eval $(call archive,fuzz,$$(CLANG) $$(compile) -Wno-gnu-variable-sized-type-not-at-end $$(FUZZ) -fsanitize=fuzzer-no-link))

# --- BPF: object, then skeleton ---

define bpf_folder
build/%.bpf.o: $(1)/%.bpf.c
	@mkdir -p $$(@D)
	$$(call say,CLANG,$$@)
	$$(Q)$$(CLANG) $$(BPF_FLAGS) $$(DEPS) -c -o $$@ $$<
endef
$(foreach f,$(BPF_FOLDERS),$(eval $(call bpf_folder,$(f))))

build/%.skel.h: build/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

# --- tests ---

# A test program: test/FOLDER/test_x.c, the folder's other files (fakes, which win over the real parts), the archive.
fakes = $(filter-out $(wildcard $(1)/test_*.c $(1)/fuzz_*.c $(1)/tool_*.c $(1)/*.bpf.c),$(wildcard $(1)/*.c))
define test_folder
$(filter build/$(1)/%,$(UNIT_BIN)): build/$(1)/%: build/san/$(1)/%.o $(patsubst %.c,build/san/%.o,$(call fakes,$(1))) build/san/libofxdp.a
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(SANITIZE) -o $$@ $$^ $$(LIBS) -lcmocka $$(LINK)
endef
# Those of which allocations can fail (test/unit/fail_alloc.h).
NO_MEMORY := $(addprefix build/test/,switch/test_no_memory unit/test_hash_add unit/test_slab bpf/test_no_memory)
$(NO_MEMORY): LINK := $(foreach f,malloc calloc realloc reallocarray strdup mmap,-Wl,--wrap=$(f))
$(foreach f,$(sort $(patsubst %/,%,$(dir $(UNIT)))),$(eval $(call test_folder,$(f))))

BPF_FAKES := $(call fakes,test/bpf)
BPF_SAN := build/test/bpf/test_no_memory
$(filter-out $(BPF_SAN),$(BPF_TEST_BIN)): build/test/bpf/%: build/obj/test/bpf/%.o $(BPF_FAKES:%.c=build/obj/%.o) build/obj/libofxdp.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LIBS) -lcmocka
$(BPF_SAN): build/test/bpf/%: build/san/test/bpf/%.o $(BPF_FAKES:%.c=build/san/%.o) build/san/libofxdp.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(LIBS) -lcmocka $(LINK)

$(FUZZ_BIN): build/test/fuzz/%: build/fuzz/test/fuzz/%.o build/fuzz/libofxdp.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CLANG) $(FUZZ) -fsanitize=fuzzer -o $@ $^ $(LIBS)

build/pktgen: build/obj/test/e2e/pktgen.o
build/verifier: build/obj/test/bpf/tool_verifier.o
build/benchgen: $(patsubst %,build/obj/test/bench/%.o,benchgen xdp_peer attach)
build/pktgen build/verifier build/benchgen:
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LIBS)

# Preloaded: its functions stand in for those that a compiler knows.
build/fail_alloc.so: test/e2e/fail_alloc.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -fno-builtin -fPIC -shared -o $@ $<

# The controller of the benchmarks (test/bench/control.py).
build/ofclient: $(patsubst %,build/obj/test/bench/of%.o,client conn packet turn) build/obj/libofxdp.a
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(LIBS)

# The runner prints every case that fails, a line per program, and last `N passed, N failed`.
RUN := test/run

.PHONY: test test-unit test-bpf test-e2e test-fuzz test-run test-programs
test:
	$(Q)scripts/install-deps
	$(Q)$(MAKE) test-programs compile_commands.json
	$(Q)$(RUN) lint verifier unit fuzz bpf e2e diff stress

test-programs: all $(UNIT_BIN) $(BPF_TEST_BIN) $(FUZZ_BIN) $(E2E_BIN) build/verifier build/san/ofxdpd
	@:

test-unit: $(UNIT_BIN)
	$(Q)$(RUN) unit
test-bpf: all $(BPF_TEST_BIN) build/verifier
	$(Q)$(RUN) verifier bpf
test-e2e: all $(E2E_BIN)
	$(Q)$(RUN) e2e
test-fuzz: $(FUZZ_BIN)
	$(Q)$(RUN) fuzz

# Built here, run in VMs.  Not part of `make test`: emulated, each kernel takes a quarter of an hour and more.
KERNELS := 6.1 6.12
.PHONY: check-vm
check-vm:
	$(Q)scripts/install-deps vm
	$(Q)$(MAKE) all $(BPF_TEST_BIN) $(E2E_BIN) build/verifier
	$(Q)nice scripts/check-vm $(KERNELS)

# --- checks and demonstrations ---

.PHONY: demo verifier fuzz lint format deps
demo:
	$(Q)scripts/install-deps
	$(Q)$(MAKE) all
	$(Q)scripts/demo

verifier: build/verifier build/ofxdp.bpf.o build/trace.bpf.o
	$(Q)build/verifier build/ofxdp.bpf.o build/trace.bpf.o

FUZZ_SECONDS := 600
fuzz: $(FUZZ_BIN)
	$(Q)for f in $(FUZZ_BIN); do \
		n=$$(basename $$f) && c=build/corpus/$$n && mkdir -p $$c && \
		(cd $$c/.. && ../../$$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 $$n ../../test/fuzz/corpus/$${n#fuzz_}) || exit 1; \
	done

# Differential test against Open vSwitch and the oracle; without SEED a fresh one, which is printed.  With MUTANT=N or
# MUTANT=all: is that fault of ours found (test/diff/mutant.py)?
.PHONY: diff
PIPELINES := 500
PACKETS := 100
AGAINST := both
diff: all
	$(Q)/usr/bin/python3 -B test/diff/$(if $(MUTANT),mutant.py $(MUTANT),diff.py) $(if $(SEED),--seed $(SEED)) \
		--pipelines $(PIPELINES) --packets $(PACKETS) --against $(AGAINST)

# The sanitized daemon under random messages, slow readers, floods, failing links; without SEED a fresh one, which is
# printed.
.PHONY: stress
stress: SECONDS := 600
stress:
	$(Q)scripts/install-deps
	$(Q)$(MAKE) all build/san/ofxdpd
	$(Q)/usr/bin/python3 -B test/stress/stress.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# CASES=port,l2-1k: only these, with their peers.
.PHONY: bench bench-quick bench-programs
BENCH := test/bench/run $(if $(CASES),--case '$(CASES)')
bench bench-quick:
	$(Q)scripts/install-deps
	$(Q)$(MAKE) bench-programs
	$(Q)$(BENCH) $(if $(filter bench-quick,$@),--quick)

bench-programs: all build/benchgen build/pktgen $(if $(wildcard test/bench/ofclient.c),build/ofclient)
	@:

lint:
	$(Q)scripts/lint

format:
	$(Q)clang-format -i $(C_FILES)

deps:
	$(Q)scripts/install-deps

# --- the rest ---

C_FILES := $(wildcard bpf/*.[ch] include/*/*.h user/*.[ch] user/*/*.[ch] test/*/*.[ch])

compile_commands.json: Makefile $(wildcard bpf/*.c user/*.c user/*/*.c test/*/*.c)
	$(call say,GEN,$@)
	@for f in $(filter %.c,$(C_FILES)); do \
		case $$f in *.bpf.c) c='$(CLANG) $(BPF_FLAGS)' ;; *) c='$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN)' ;; esac; \
		printf '{"directory": "%s", "file": "%s", "command": "%s -c %s"}\n' '$(CURDIR)' "$$f" "$$c" "$$f"; \
	done | sed -e '1s/^/[\n/' -e '$$!s/$$/,/' -e '$$s/$$/\n]/' >$@

.PHONY: install uninstall clean help
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin
	install build/ofxdpd build/ofxdpctl $(DESTDIR)$(PREFIX)/sbin

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/ofxdpd $(DESTDIR)$(PREFIX)/sbin/ofxdpctl

clean:
	$(Q)rm -rf build compile_commands.json

help:
	@echo 'make                 build/ofxdpd and build/ofxdpctl'
	@echo 'make demo            install what is missing, build, show the switch at work (root)'
	@echo 'make test            install what is missing, build, run all tests (root)'
	@echo 'make test-unit | test-fuzz | test-bpf | test-e2e     one part; ONLY=WORD: cases and files whose name holds WORD'
	@echo 'make check-vm        BPF and end-to-end tests on KERNELS="6.1 6.12" in VMs, and on their network cards (root)'
	@echo 'make verifier        what each BPF program costs the verifier'
	@echo 'make fuzz            fuzz for FUZZ_SECONDS=600 each; findings in build/corpus'
	@echo 'make diff            random pipelines and packets through ofxdp, Open vSwitch and the oracle: SEED= PIPELINES=500'
	@echo '                     PACKETS=100 AGAINST=both|oracle|ovs MUTANT=N|all (root)'
	@echo 'make stress          the daemon, with sanitizers, under all that can happen to it: SECONDS=600 SEED= (root)'
	@echo 'make bench           how fast it is, against a bare redirect and, where installed, Open vSwitch; CASES=port,acl-new'
	@echo 'make bench-quick     the same within two minutes'
	@echo 'make lint | format   check | apply the format; lint checks include directions and licences too'
	@echo 'make deps            install the Debian packages needed'
	@echo 'make install | uninstall     PREFIX=/usr/local, DESTDIR='
	@echo 'make clean'
	@echo 'V=1 shows the commands.'

-include $(shell find build -name '*.d' 2>/dev/null)
