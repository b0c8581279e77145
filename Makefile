# libsocketio. In a git clone plain `make` configures itself; a release is
# built with ./configure && make && make check && make install.
#
#   make                  the library                make V=1   show commands
#   make chat PORT=3000   the chat example           make check everything
#   make cluster PORT=3000  the chat on three nodes behind nginx
#   make deb              Debian packages, in build/deb
#   make abi              what programs see, against the last tag
#   make html             the manual in a browser, in build/html
#   make dashboard PORT=3000  prices that move, plotted in the page
#   make small            a server for a small device, and what it takes
#   make notify PORT=3000   the notification service
#   make check SAN=address,undefined (or thread)     the tests, sanitized
#
# All output goes to $(B): build/, or the folder that configure was run in.

srcdir ?= .
B ?= build
all:

# A git clone, unless somebody made ./configure: that is a release, or a
# distributor's build, where nothing is installed or fetched on its own.
CLONE := $(if $(wildcard $(srcdir)/configure),,$(wildcard $(srcdir)/.git))

# Goals that need tools beyond the compiler, and may install them in a clone.
SETUP_GOALS = chat cluster notify check check-long check-interop fuzz fuzz-seed fuzz-merge \
              bench bench-plots bench-where html deb abi dashboard
NEEDS_SETUP := $(and $(CLONE),$(filter $(SETUP_GOALS),$(MAKECMDGOALS)))

# ------------------------------------------------------------ configuration

ifneq ($(filter-out setup clean distclean format,$(or $(MAKECMDGOALS),all)),)
include $(B)/config.mk
endif

ifeq ($(wildcard $(srcdir)/configure),)
CONFIG_IN = configure.ac lib/config.mk.in include/socketio/version.h.in
$(B)/config.mk: $(CONFIG_IN:%=$(srcdir)/%) $(if $(NEEDS_SETUP),$(B)/setup.stamp)
	@mkdir -p $(B)
	autom4te --language=autoconf --cache=$(B)/autom4te.cache \
	    --mode=755 --output=$(B)/configure $(srcdir)/configure.ac
	cd $(B) && ./configure --srcdir=$(abspath $(srcdir)) --enable-werror
	@touch $@
$(B)/include/socketio/version.h: $(B)/config.mk ;
else
$(B)/config.mk:
	@echo 'Run ./configure first.' >&2; exit 1
endif

# Installs what the goal needs and the machine lacks (tests/setup explains). The
# stamp changes when something was installed: then configure looks again.
SETUP_FOR = $(or $(firstword $(patsubst dashboard,chat,$(filter chat dashboard cluster notify,$(MAKECMDGOALS)))), \
            $(if $(filter html deb abi,$(MAKECMDGOALS)),package),check)
setup: $(B)/setup.stamp
$(B)/setup.stamp: FORCE
	@$(srcdir)/tests/setup $(SETUP_FOR) $(B)
FORCE:

# ------------------------------------------------------------------ sources

lib_of = $(wildcard $(patsubst %,$(srcdir)/lib/%.c,$(1)))
# Addons that serve or watch need the transport; the others the core alone.
ADDONS_LWS = health signals metrics*
LWS_yes = $(call lib_of,transport/* $(addprefix addon/,$(ADDONS_LWS)))
REDIS_yes = $(call lib_of,adapter/redis* adapter/cluster* adapter/wire*)
ADDONS = $(filter-out $(call lib_of,$(addprefix addon/,$(ADDONS_LWS))),$(call lib_of,addon/*))
SRCS = $(call lib_of,base/* engineio/* socketio/* adapter/memory*) $(ADDONS) \
       $(LWS_$(HAVE_LWS)) $(REDIS_$(HAVE_REDIS))

HEADERS_LWS_no = %/lws.h
HEADERS_REDIS_no = %/redis.h %/emitter.h
HEADERS = $(filter-out $(HEADERS_LWS_$(HAVE_LWS)) $(HEADERS_REDIS_$(HAVE_REDIS)), \
            $(wildcard $(srcdir)/include/socketio/*.h))
VERSION_H = $(B)/include/socketio/version.h
MAN = $(wildcard $(srcdir)/man/*.[1-9])

# Test programs, test_*.c, and the helpers beside them.
TEST_DIRS = unit scenario oom threats transport ceilings fuzz
TEST_ALL = $(filter-out %-server.c,$(wildcard $(TEST_DIRS:%=$(srcdir)/tests/%/*.c)))
NEEDS_LWS = include "(transport/|threats/(home|talk|far|crowd|visit))|socketio/lws\.h|skio_(listen|run|server_post)\>
TEST_no = $(if $(TEST_ALL),$(shell grep -lE '$(NEEDS_LWS)' $(TEST_ALL)))
NEEDS_REDIS = include ("(adapter/(redis|wire|cluster)|unit/wire|transport/redis|scenario/relay)|<socketio/(redis|emitter)\.h)
NO_REDIS_no = $(if $(TEST_ALL),$(shell grep -lE '$(NEEDS_REDIS)' $(TEST_ALL)))
TEST_SRCS = $(filter-out $(TEST_$(HAVE_LWS)) $(NO_REDIS_$(HAVE_REDIS)),$(TEST_ALL))
TEST_MAINS = $(foreach s,$(TEST_SRCS),$(if $(filter test_%,$(notdir $(s))),$(s)))
TEST_HELP = $(filter-out $(TEST_MAINS),$(TEST_SRCS))
JS_TESTS_yes = $(wildcard $(srcdir)/tests/*/test_*.mjs)
CLUSTER_yes_yes = $(wildcard $(srcdir)/tests/cluster/test_*.mjs)
CLUSTER_TESTS = $(CLUSTER_$(HAVE_LWS)_$(HAVE_REDIS))
JS_TESTS = $(filter-out $(CLUSTER_yes_yes),$(JS_TESTS_$(HAVE_LWS)))
# Clients that need a compiler of their own; only check-interop runs them.
CLIENT_TESTS_yes = $(wildcard $(srcdir)/tests/clients/*/test_*.mjs)
CLIENT_TESTS = $(CLIENT_TESTS_$(HAVE_LWS))
API_TESTS = $(filter-out %.c %.txt,$(wildcard $(srcdir)/tests/api/test_*))

# Programs on the public headers that need the transport to be of use; and those
# that send through Redis alone.
SERVERS_ALL = $(wildcard $(srcdir)/tests/*/*-server.c)
SERVERS_REDIS_no = %/cluster-server.c %/presence-server.c %/users-server.c
SERVERS_yes = $(filter-out $(SERVERS_REDIS_$(HAVE_REDIS)),$(SERVERS_ALL))
SENDERS_yes = $(wildcard $(srcdir)/tests/*/*-client.c)
SERVERS = $(patsubst %.c,$(O)/%,$(notdir $(SERVERS_$(HAVE_LWS)) $(SENDERS_$(HAVE_REDIS))))
EXAMPLES_yes = $(sort $(basename $(notdir $(wildcard $(srcdir)/examples/*.c)) \
                 $(notdir $(patsubst %/,%,$(dir $(wildcard $(srcdir)/examples/*/*.c))))))
EXAMPLES_REDIS_no = announce
# Libraries of single examples; without them those are not built.
NEEDS_notify = sqlite3 libsodium
HAVE_SQLITE := $(shell $(or $(PKG_CONFIG),pkg-config) --exists sqlite3 2>/dev/null && echo yes)
EXAMPLES_SQLITE_ = notify
# In examples/embed each file is a program, with the library that it is about:
# those that are not here are left out, and said to be.
EMBED_WITH = libuv:libuv glib:glib-2.0 systemd:libsystemd
EMBED_NO := $(foreach w,$(EMBED_WITH),$(if $(shell $(or $(PKG_CONFIG),pkg-config) --exists \
              $(lastword $(subst :, ,$(w))) && echo yes),,$(firstword $(subst :, ,$(w)))))
EMBED_yes = $(filter-out $(EMBED_NO),libwebsockets libev libuv glib systemd small)
EXAMPLES = $(patsubst %,$(O)/examples/%,$(filter-out embed $(EXAMPLES_REDIS_$(HAVE_REDIS)) \
             $(EXAMPLES_SQLITE_$(HAVE_SQLITE)), \
             $(EXAMPLES_$(HAVE_LWS))) $(EMBED_$(HAVE_LWS):%=embed/%))

# -------------------------------------------------------------------- flags

# Another compiler or sanitizer lives in a folder of its own: objects of two
# kinds must never meet.
comma = ,
VARIANT = $(subst $(comma),-,$(SAN))
O = $(B)$(VARIANT:%=/%)

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
       -Wformat=2 -Wvla $(WARN_$(WERROR))
WARN_yes = -Werror
SANFLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
             -fno-omit-frame-pointer)
# Who looks for mistakes looks for those of threads, too.
DEBUG_FLAGS = $(if $(SAN)$(filter yes,$(DEBUG)),-DSKIO_DEBUG)
# Ours first, the user's last: a distributor's flag always wins.
FLAGS = $(WARN) $(SANFLAGS) $(DEBUG_FLAGS) -I$(B)/include -I$(srcdir)/include
LIB_FLAGS = -std=c11 -fPIC -fvisibility=hidden $(FLAGS) -iquote $(srcdir)/lib \
            $(DEPS_CFLAGS) $(CPPFLAGS) $(CFLAGS)
TEST_FLAGS = -std=c11 $(FLAGS) -iquote $(srcdir)/lib -I$(srcdir)/tests \
             $(DEPS_CFLAGS) $(TEST_CFLAGS) $(CPPFLAGS) $(CFLAGS)
REDIS_FLAG = $(if $(filter yes,$(HAVE_REDIS)),-DHAVE_REDIS)
SERVER_FLAGS = -std=gnu11 $(REDIS_FLAG) -iquote $(srcdir)/tests $(FLAGS) $(DEPS_CFLAGS) $(CPPFLAGS) $(CFLAGS)
ALL_LIBS = $(DEPS_LIBS) -pthread $(LIBS)
DEPEND = -MMD -MP

Q_0 = @printf '  %-7s %s\n' $(1) $(@:$(CURDIR)/%=%);
Q = $(Q_$(or $(V),0))
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))

# ------------------------------------------------------------------ library

OBJS = $(SRCS:$(srcdir)/lib/%.c=$(O)/obj/%.o)
ARCHIVE = $(O)/libsocketio.a

$(O)/obj/%.o: $(srcdir)/lib/%.c $(B)/config.mk
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(LIB_FLAGS) $(DEPEND) -c -o $@ $<

$(ARCHIVE): $(OBJS)
	$(call Q,AR)rm -f $@ && $(AR) rcs $@ $(OBJS)

SO_elf = libsocketio.so.$(SO_FULL)
SONAME_elf = libsocketio.so.$(SO_VERSION)
LINKNAME_elf = libsocketio.so
SOFLAGS_elf = -shared -Wl,-soname,$(SONAME_elf) -Wl,-z,defs -Wl,--as-needed \
              -Wl,--version-script=$(srcdir)/lib/libsocketio.map
SO_macho = libsocketio.$(SO_VERSION).dylib
SONAME_macho = $(SO_macho)
LINKNAME_macho = libsocketio.dylib
SOFLAGS_macho = -dynamiclib -install_name $(libdir)/$(SONAME_macho) \
                -compatibility_version $(VERSION) -current_version $(VERSION)
SO = $(O)/$(SO_$(SHARED_KIND))
SONAME = $(SONAME_$(SHARED_KIND))
LINKNAME = $(LINKNAME_$(SHARED_KIND))

$(SO): $(OBJS) $(srcdir)/lib/libsocketio.map
	$(call Q,LINK)$(CC) $(SOFLAGS_$(SHARED_KIND)) $(SANFLAGS) $(CFLAGS) \
	    $(LDFLAGS) -o $@ $(OBJS) $(ALL_LIBS)

BUILT_yes = $(SO)
BUILT = $(ARCHIVE) $(BUILT_$(if $(SAN),no,$(ENABLE_SHARED)))
all: $(BUILT)

# ------------------------------------------------- tests, servers, examples

# Tests see the internals, so they link the archive, never the shared library.
TESTS = $(TEST_MAINS:$(srcdir)/tests/%.c=$(O)/tests/%)
TEST_HELP_OBJS = $(TEST_HELP:$(srcdir)/tests/%.c=$(O)/tests/%.o)

$(O)/tests/%.o: $(srcdir)/tests/%.c $(B)/config.mk
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(TEST_FLAGS) $(DEPEND) -c -o $@ $<
$(O)/tests/libhelp.a: $(TEST_HELP_OBJS)
	$(call Q,AR)rm -f $@ && $(AR) rcs $@ $(TEST_HELP_OBJS)
$(TESTS): %: %.o $(O)/tests/libhelp.a $(ARCHIVE)
	$(call Q,LINK)$(CC) $(SANFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< \
	    $(O)/tests/libhelp.a $(ARCHIVE) $(TEST_LIBS) $(ALL_LIBS)

.SECONDEXPANSION:
$(SERVERS): $(O)/%: $$(wildcard $(srcdir)/tests/*/$$*.c) $(ARCHIVE)
	$(call Q,LINK)$(CC) $(SERVER_FLAGS) $(DEPEND) $(LDFLAGS) -o $@ $< \
	    $(ARCHIVE) $(ALL_LIBS)
bench-server conformance-server: %: $(O)/%

# The load generator speaks to any server: it links nothing of ours.
BENCH_LOAD = $(filter-out %-server.c,$(wildcard $(srcdir)/tests/bench/*.c))
$(O)/bench-load: $(BENCH_LOAD) $(srcdir)/tests/bench/load.h
	$(call Q,LINK)$(CC) -std=gnu11 $(FLAGS) -O2 $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) \
	    -o $@ $(BENCH_LOAD) -lssl -lcrypto
bench-load: $(O)/bench-load
BENCH_yes = $(O)/bench-load
BENCH_PROGRAMS = all $(O)/bench-load $(O)/bench-server $(O)/floor-server
bench: $(BENCH_PROGRAMS)
	@$(RUN_ENV) node $(srcdir)/tests/bench/bench.mjs
bench-plots: $(BENCH_PROGRAMS)
	@$(RUN_ENV) node $(srcdir)/tests/bench/plots.mjs
bench-where: $(BENCH_PROGRAMS)
	@$(RUN_ENV) node $(srcdir)/tests/bench/where.mjs
bench-page:
	@node $(srcdir)/tests/bench/page.mjs

# Examples are built as a user would: from an installed copy, through
# pkg-config, without a look into the source tree.
STAGE = $(abspath $(O))/stage
STAGE_DIRS = prefix=$(STAGE) exec_prefix=$(STAGE) libdir=$(STAGE)/lib \
             includedir=$(STAGE)/include mandir=$(STAGE)/share/man DESTDIR=
STAGE_PC = PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig:$$PKG_CONFIG_PATH $(PKG_CONFIG)
STATIC_PC = $(if $(SAN)$(filter no,$(ENABLE_SHARED)),--static)

$(STAGE)/installed: $(BUILT) $(HEADERS) $(VERSION_H) \
    $(srcdir)/pkgconfig/libsocketio.pc.in $(CMAKE_IN)
	@rm -rf $(STAGE)
	$(call Q,STAGE)$(MAKE) -s install $(STAGE_DIRS)
	@touch $@

# What an example of examples/embed needs beside its file.
EMBED_READINGS = $(wildcard $(srcdir)/examples/embed/readings.[ch])
EMBED_PC = $(lastword $(subst :, ,$(filter $(notdir $@):%,$(EMBED_WITH))))
EMBED_LIBS_libev = -lev
EMBED_LIBS_libwebsockets = $$($(PKG_CONFIG) --libs libwebsockets)
EMBED_FLAGS = $(if $(EMBED_PC),$$($(PKG_CONFIG) --cflags --libs $(EMBED_PC))) \
              $(EMBED_LIBS_$(notdir $@))
$(addprefix $(O)/examples/embed/,libwebsockets libev libuv glib): $(EMBED_READINGS)

$(EXAMPLES): $(O)/examples/%: $$(wildcard $(srcdir)/examples/$$*.c \
    $(srcdir)/examples/$$*/*.[ch]) $(STAGE)/installed
	@mkdir -p $(@D)
	$(call Q,EXAMPLE)$(CC) $(WARN) $(SANFLAGS) $(REDIS_FLAG) $(CPPFLAGS) $(CFLAGS) \
	    $$($(STAGE_PC) --cflags libsocketio $(NEEDS_$*)) $(LDFLAGS) -o $@ $(filter %.c,$^) \
	    $(if $(filter embed/%,$*),$(EMBED_FLAGS)) \
	    $$($(STAGE_PC) --libs $(STATIC_PC) libsocketio $(NEEDS_$*)) \
	    -Wl,-rpath,$(STAGE)/lib -pthread $(LIBS)
examples: $(EXAMPLES)
	@$(foreach e,$(EMBED_NO),echo '  SKIP    examples/embed/$(e): no' \
	    '$(patsubst $(e):%,%,$(filter $(e):%,$(EMBED_WITH)))';)

PORT = 3000
CLIENT = $(B)/npm/node_modules/socket.io-client/dist
chat: $(O)/examples/chat
	@$(O)/examples/chat --port $(PORT) --public $(srcdir)/examples/chat/public \
	    --client $(CLIENT)

# The picture of it in README.md.
chat-picture: $(O)/examples/chat
	@$(RUN_ENV) node $(srcdir)/tests/interop/chat_picture.mjs \
	    $(srcdir)/examples/chat/chat.png

dashboard: $(O)/examples/dashboard
	@$(O)/examples/dashboard --port $(PORT) --public $(srcdir)/examples/dashboard/public \
	    --client $(CLIENT)

# A server for a small device: what it takes is measured, and printed.
small: $(B)/config.mk
	@CC='$(CC)' MAKE='$(MAKE)' $(srcdir)/examples/embed/small.sh $(srcdir) $(B)/small \
	    $(or $(wildcard $(srcdir)/configure),$(B)/configure)

# What is accepted stays in the build folder, for the next time.
notify: $(O)/examples/notify
	@$(O)/examples/notify --demo --port $(PORT) --data $(O)/notify.db \
	    --public $(srcdir)/examples/notify/public --client $(CLIENT)

# The chat on three nodes behind nginx, and what it needs.
cluster: $(O)/examples/chat
	@$(srcdir)/examples/cluster/run $(PORT) $(O)/examples/chat \
	    $(srcdir)/examples/chat/public $(CLIENT)

# -------------------------------------------------------------------- check

export NPM = $(abspath $(B))/npm
RUN = RESULTS=$(abspath $(B))/tests/results $(srcdir)/tests/run
RUN_ENV = SKIO_SRC=$(abspath $(srcdir)) SKIO_BUILD=$(abspath $(O)) MAKE_DIR=$(CURDIR) \
          CC='$(CC)' CXX='$(CXX)' NM='$(NM)' PKG_CONFIG='$(PKG_CONFIG)' MAKE='$(MAKE)' \
          SRCS='$(abspath $(SRCS))' HEADERS='$(abspath $(HEADERS))' \
          STAGE='$(STAGE)' DEPS_CFLAGS='$(DEPS_CFLAGS)' \
          BUILT_WITH='$(strip $(CC) $(DEBUG_FLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS))' \
          HAVE_ALL=$(HAVE_LWS)$(HAVE_REDIS) \
          ENABLE_SHARED=$(ENABLE_SHARED) ENABLE_STATIC=$(ENABLE_STATIC)
TESTS_IF = $(if $(filter yes,$(HAVE_CMOCKA)),$(TESTS))
LABEL = $(VARIANT:%=%/)

# Runs all, counts all, and only then fails. The checkers of the sources work
# while clusters, which wait most of the time, leave them some.
check:
	@$(RUN) begin
	@$(MAKE) $(PARALLEL) --no-print-directory check-build
ifneq ($(if $(SAN),,$(CLONE)),)
	@$(MAKE) --no-print-directory check-c check-js
	@nice -n 19 $(MAKE) --no-print-directory check-lint & \
	    $(MAKE) --no-print-directory check-clusters; wait
else
	@$(MAKE) --no-print-directory check-c check-js check-clusters
endif
ifeq ($(SAN),)
	@$(MAKE) --no-print-directory check-api
ifneq ($(CLONE),)
	@$(RUN_ENV) $(RUN) group compatibility $(srcdir)/tests/api/compatibility
	@$(RUN_ENV) $(RUN) group threats $(srcdir)/tests/api/threats
endif
endif
	@$(RUN) end

check-build: all $(TESTS_IF) $(SERVERS) $(BENCH_$(HAVE_LWS)) $(EXAMPLES) $(STAGE)/installed
	@:
check-c: check-build
	@$(RUN_ENV) JOBS=2 TIMEOUT=600 $(RUN) group $(LABEL)c $(TESTS_IF)
ifneq ($(HAVE_CMOCKA),yes)
	@$(RUN) skip $(LABEL)c 'cmocka is not installed' $(TEST_MAINS)
endif
# A browser takes a machine of two cores for itself.
BROWSER_TESTS = $(filter %_browser.mjs %_browser2.mjs,$(JS_TESTS))
check-js: check-build
	@$(RUN_ENV) JOBS=2 TIMEOUT=300 $(RUN) group $(LABEL)js $(filter-out $(BROWSER_TESTS),$(JS_TESTS))
	@$(RUN_ENV) TIMEOUT=300 $(RUN) group $(LABEL)js $(BROWSER_TESTS)
check-clusters: check-build
	@$(RUN_ENV) JOBS=$(if $(SAN),2 TIMEOUT=1200,3 TIMEOUT=300) $(RUN) group $(LABEL)cluster $(CLUSTER_TESTS)
check-api: check-build
	@$(RUN_ENV) $(RUN) group api $(filter-out %/test_lint,$(API_TESTS)) \
	    $(srcdir)/tests/ceilings/test_instructions
check-lint:
	@$(RUN_ENV) TIMEOUT=1200 $(RUN) group lint $(srcdir)/tests/api/test_lint
check-interop: check-build
	@$(RUN) begin
	@$(if $(CLONE),$(srcdir)/tests/clients/setup interop $(B))
	@$(RUN_ENV) $(RUN) group $(LABEL)js $(JS_TESTS) $(CLUSTER_TESTS) $(CLIENT_TESTS)
	@$(RUN) end

# A release, its packages, and the checkers of all sources; `make check` runs what
# of these is quick.
LONG_DIST = $(addprefix $(srcdir)/tests/api/,distcheck test_debian test_abi test_lint)

# Minutes, not seconds: every C test under valgrind, threads under
# ThreadSanitizer, and a release that builds everywhere it should.
THREAD_TESTS = $(filter %_post %_threads $(O)/tests/transport/%,$(TESTS_IF))
THREAD_JS = $(filter %/test_threads.mjs,$(JS_TESTS) $(CLUSTER_TESTS))
VALGRIND = valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
           --errors-for-leak-kinds=definite --suppressions=$(srcdir)/tests/valgrind.supp
# Of the full figures so many percent; tests/threats/scale.h reads it, too. What
# is slow for another reason (valgrind, ThreadSanitizer) has the usual figures.
SCALE = $(or $(SKIO_SCALE),100)
part_of = $(shell echo $$(( ($(1) * $(SCALE) + 99) / 100 )))
# Time-bounded: at least the smaller number of generated cases.
DIFFERENTIAL = $(filter %/test_differential.mjs,$(JS_TESTS))
LONG_DIFFERENTIAL = SKIO_CASES=$(or $(SKIO_CASES),$(call part_of,250000)) \
                    SKIO_LEAST=$(call part_of,100000) SKIO_SECONDS=$(call part_of,1200) \
                    SKIO_SEED=$(or $(SKIO_SEED),2)
CHAOS = $(filter %/test_chaos.mjs,$(CLUSTER_TESTS))
LONG_CHAOS = SKIO_ROUNDS=$(call part_of,50) SKIO_CLIENTS=300 SKIO_SECONDS=$(call part_of,600)
KILLS = $(filter %/test_notify_kill.mjs,$(JS_TESTS))
LONG_KILLS = SKIO_ROUNDS=$(call part_of,1000) SKIO_SECONDS=$(call part_of,1200)
LONG_FUZZ = FUZZ_SECONDS=$(or $(FUZZ_SECONDS),$(call part_of,300)) FUZZ_JOBS=2 FUZZ_SEED=$(or $(FUZZ_SEED),1)
# Floods, crowds and storms; the storms alone, for they measure how long others
# wait, and take all descriptors there are.
THREATS_IF = $(filter $(O)/tests/threats/%,$(TESTS_IF))
STORMS_IF = $(filter %/test_storms,$(THREATS_IF))
LONG_THREATS = SKIO_SCALE=$(SCALE) TIMEOUT=7200
check-long: check-build long-scale
	@$(RUN) $(if $(KEEP_RESULTS),continue,begin)
	@$(RUN_ENV) SKIO_SCALE= JOBS=2 TIMEOUT=900 WRAP='$(VALGRIND)' $(RUN) group valgrind $(filter-out $(STORMS_IF),$(TESTS_IF))
	@$(RUN_ENV) $(LONG_THREATS) JOBS=2 $(RUN) group threats-long $(filter-out $(STORMS_IF),$(THREATS_IF))
	@$(RUN_ENV) $(LONG_THREATS) $(RUN) group threats-long $(STORMS_IF)
	@$(MAKE) $(PARALLEL) --no-print-directory SKIO_SCALE= SAN=thread check-threads
	@$(MAKE) $(PARALLEL) --no-print-directory SAN=address,undefined check-build
	@$(MAKE) --no-print-directory SKIO_SCALE= SAN=address,undefined check-c check-js check-clusters
	@$(RUN_ENV) SKIO_SCALE= SKIO_LONG=1 TIMEOUT=1800 $(RUN) group dist $(LONG_DIST)
ifneq ($(DIFFERENTIAL),)
	@$(RUN_ENV) $(LONG_DIFFERENTIAL) TIMEOUT=3600 $(RUN) group generated $(DIFFERENTIAL)
endif
ifneq ($(CHAOS),)
	@$(RUN_ENV) $(LONG_CHAOS) SKIO_JOBS=1 TIMEOUT=3600 $(RUN) group chaos $(CHAOS)
endif
ifneq ($(KILLS),)
	@$(RUN_ENV) $(LONG_KILLS) TIMEOUT=3600 $(RUN) group kills $(KILLS)
endif
ifneq ($(CLONE),)
	@$(RUN_ENV) TIMEOUT=3600 $(RUN) group switches $(srcdir)/tests/api/switches
	@$(MAKE) --no-print-directory fuzz-targets
	@$(FUZZ_ENV) $(LONG_FUZZ) TIMEOUT=7200 $(RUN) group fuzz $(srcdir)/tests/fuzz/run
endif
	@$(RUN) end
# Of the last run, for tests/records.txt.
record:
	@SKIO_SCALE=$(SCALE) $(srcdir)/tests/record $(abspath $(B))/tests/results \
	    >> $(srcdir)/tests/records.txt
long-scale:
	@echo 'Long proofs: $(SCALE) % of the full figures; $(LONG_THREATS)'
	@echo '  generated: $(LONG_DIFFERENTIAL)'
	@echo '  chaos: $(LONG_CHAOS); fuzz: $(LONG_FUZZ)'
	@echo '  kills: $(LONG_KILLS)'
	@echo '  switches: $(if $(SWITCHES_SECONDS),as many as fit $(SWITCHES_SECONDS) seconds,all)'
check-threads: $(THREAD_TESTS) $(filter %/threads,$(EXAMPLES))
	@$(RUN_ENV) $(RUN) group thread $(THREAD_TESTS) $(THREAD_JS)

# Targets of tests/fuzz, which `make check` runs on their corpora, look for more:
# FUZZ_SECONDS each, FUZZ_JOBS at once; FUZZ=json names one. What they find to
# be new stays in the build folder; fuzz-merge takes it into the tree. fuzz-seed
# begins anew, with what the interop tests send.
FUZZ_MAKE = $(MAKE) --no-print-directory CC=clang VARIANT=fuzz WERROR=yes \
            ENABLE_SHARED=no SAN=fuzzer-no-link,address,undefined \
            LDFLAGS='$(LDFLAGS) -fsanitize=fuzzer'
FUZZ_ENV = $(RUN_ENV) FUZZ_BUILD=$(abspath $(B))/fuzz
FUZZ_TESTS = $(filter $(O)/tests/fuzz/%,$(TESTS_IF))
fuzz: fuzz-targets
	@$(FUZZ_ENV) $(srcdir)/tests/fuzz/run $(FUZZ)
fuzz-merge: fuzz-targets
	@$(FUZZ_ENV) $(srcdir)/tests/fuzz/run --merge $(FUZZ)
fuzz-seed: $(O)/conformance-server $(O)/engine-server $(O)/interop-server
	@$(FUZZ_ENV) node $(srcdir)/tests/fuzz/seed.mjs
fuzz-targets: $(B)/config.mk
	@$(FUZZ_MAKE) $(PARALLEL) fuzz-build
fuzz-build: $(FUZZ_TESTS)
	@:

compatibility:
	node $(srcdir)/tests/api/compatibility.mjs page > $(srcdir)/man/skio_compatibility.7
threats:
	node $(srcdir)/tests/api/threats.mjs page > $(srcdir)/man/skio_threats.7

# The manual in a browser: $(B)/html/index.html.
html: $(B)/config.mk
	@$(srcdir)/packaging/html/pages $(B)/html $(VERSION) $(MAN)
	@echo $(B)/html/index.html

switches: check-build
	@$(RUN_ENV) node $(srcdir)/tests/api/switches.mjs
update-exports: $(SO)
	$(srcdir)/tests/api/exports $(SO) > $(srcdir)/tests/api/exports.txt
update-ceilings: $(O)/tests/ceilings/test_operations $(O)/loopback-server
	@$(RUN_ENV) $(srcdir)/tests/ceilings/test_instructions --update

# --------------------------------------------------------------------- lint

C_FILES = $(wildcard $(addprefix $(srcdir)/,lib/*/*.[ch] include/socketio/*.h \
            examples/*.[ch] examples/*/*.[ch] tests/*/*.[ch]))
PUBLIC_C = $(SERVERS_yes) $(SENDERS_yes) $(filter-out $(EMBED_NO:%=$(srcdir)/examples/embed/%.c), \
             $(wildcard $(srcdir)/examples/*.c $(srcdir)/examples/*/*.c))
TIDIED = $(patsubst $(srcdir)/%.c,$(B)/tidy/%.ok,$(SRCS))
TIDIED_TESTS = $(patsubst $(srcdir)/%.c,$(B)/tidy/%.ok,$(TEST_SRCS)) \
               $(patsubst $(srcdir)/%.c,$(B)/tidy/public/%.ok,$(PUBLIC_C))
CPPCHECK = cppcheck -q --std=c11 --error-exitcode=1 --inline-suppr \
           --enable=warning,performance,portability --library=posix \
           --suppress=missingInclude --suppress=missingIncludeSystem


lint: check-format tidy tidy-tests cppcheck clang-build clang-tests
format:
	clang-format -i $(C_FILES)
check-format:
	@clang-format --dry-run --Werror $(C_FILES)
tidy: $(TIDIED)
tidy-tests: $(TIDIED_TESTS)
define TIDY
	@mkdir -p $(@D)
	$(call Q,TIDY)clang-tidy --quiet $< -- $(1) 2>$@.err || \
	    { cat $@.err >&2; exit 1; }
	@touch $@
endef
# A file is read again when its object had to be compiled again.
$(B)/tidy/lib/%.ok: $(srcdir)/lib/%.c $(O)/obj/%.o $(srcdir)/.clang-tidy
	$(call TIDY,$(TEST_FLAGS))
$(B)/tidy/tests/%.ok: $(srcdir)/tests/%.c $(O)/tests/%.o $(srcdir)/.clang-tidy
	$(call TIDY,$(TEST_FLAGS))
EMBED_TIDY = $(lastword $(subst :, ,$(filter $(basename $(notdir $<)):%,$(EMBED_WITH))))
$(B)/tidy/public/%.ok: $(srcdir)/%.c $(srcdir)/.clang-tidy $(HEADERS)
	$(call TIDY,$(SERVER_FLAGS) $(if $(EMBED_TIDY),$$($(PKG_CONFIG) --cflags $(EMBED_TIDY))))
# lib/socketio and include/socketio have files of one name. cppcheck knows no
# -iquote, so it reads a copy where "socketio/server.h" is "lib/socketio/...".
cppcheck:
	@mkdir -p $(B)/cppcheck/cache && rm -rf $(B)/cppcheck/lib
	@cp -r $(srcdir)/lib $(B)/cppcheck && chmod -R u+w $(B)/cppcheck/lib
	@sed -i 's|^#include "|&lib/|' $(B)/cppcheck/lib/*/*.[ch]
	$(call Q,CHECK)cd $(B)/cppcheck && $(CPPCHECK) -j2 --cppcheck-build-dir=cache \
	    -I. -I$(abspath $(srcdir))/include -I$(abspath $(B))/include \
	    lib $(abspath $(PUBLIC_C))
CLANG_MAKE = $(MAKE) CC=clang VARIANT=clang WERROR=yes ENABLE_SHARED=no
clang-build:
	+@$(CLANG_MAKE) all
clang-tests:
	+@$(CLANG_MAKE) $(TESTS_IF:$(O)/%=$(B)/clang/%)

# ------------------------------------------------------------------ install

PC_SED = $(foreach v,prefix exec_prefix libdir includedir VERSION PC_REQUIRES PC_LIBS \
           SO_FILE SONAME,-e 's|@$(v)@|$($(v))|g')
SO_FILE = $(notdir $(SO))
CMAKE_IN = $(wildcard $(srcdir)/packaging/cmake/*.in)
CMAKE_DIR = $(DESTDIR)$(libdir)/cmake/libsocketio
DI = $(INSTALL) -d
FI = $(INSTALL) -m 644
install: all
	$(DI) $(DESTDIR)$(includedir)/socketio $(DESTDIR)$(libdir)/pkgconfig
	$(FI) $(HEADERS) $(VERSION_H) $(DESTDIR)$(includedir)/socketio
	sed $(PC_SED) $(srcdir)/pkgconfig/libsocketio.pc.in \
	    > $(DESTDIR)$(libdir)/pkgconfig/libsocketio.pc
	$(DI) $(CMAKE_DIR)
	$(foreach f,$(CMAKE_IN),sed $(PC_SED) $(f) > $(CMAKE_DIR)/$(basename $(notdir $(f))) && ) :
ifeq ($(ENABLE_STATIC),yes)
	$(FI) $(ARCHIVE) $(DESTDIR)$(libdir)
endif
ifneq ($(BUILT_$(if $(SAN),no,$(ENABLE_SHARED))),)
	$(INSTALL) -m 755 $(SO) $(DESTDIR)$(libdir)
	test $(notdir $(SO)) = $(SONAME) || ln -sf $(notdir $(SO)) $(DESTDIR)$(libdir)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(libdir)/$(LINKNAME)
endif
	$(foreach m,$(MAN),$(DI) $(call man_dir,$(m)) && $(FI) $(m) $(call man_dir,$(m)) && \
	    for n in $(call man_links,$(m)); do \
	        ln -sf $(notdir $(m)) $(call man_dir,$(m))/$$n$(suffix $(m)); done && ) :

# A page serves every name of its NAME section.
man_dir = $(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(1)))
man_links = $(filter-out $(basename $(notdir $(1))),$(shell \
    sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([^ ]*\).*/\1/p' $(1)))

uninstall:
	rm -f $(addprefix $(DESTDIR)$(includedir)/socketio/,$(notdir $(HEADERS)) version.h)
	-rmdir $(DESTDIR)$(includedir)/socketio
	rm -f $(addprefix $(DESTDIR)$(libdir)/,pkgconfig/libsocketio.pc \
	    libsocketio.a $(notdir $(SO)) $(SONAME) $(LINKNAME))
	rm -f $(addprefix $(CMAKE_DIR)/,$(basename $(notdir $(CMAKE_IN))))
	-rmdir $(CMAKE_DIR)
	rm -f $(foreach m,$(MAN),$(call man_dir,$(m))/$(notdir $(m)) $(addprefix \
	    $(call man_dir,$(m))/,$(addsuffix $(suffix $(m)),$(call man_links,$(m)))))

clean:
	rm -rf $(addprefix $(B)/,obj tests examples stage tidy cppcheck clang fuzz \
	    thread address-undefined distcheck html deb abi small) $(B)/bench-load \
	    $(wildcard $(B)/libsocketio* $(B)/*-server* $(B)/*-client*)
distclean: clean
	rm -rf $(addprefix $(B)/,config.mk config.status config.log configure \
	    autom4te.cache include npm clients peers tools Makefile)
	-rmdir $(B)

# --------------------------------------------------------------------- dist

DIST = libsocketio-$(VERSION)
DIST_FILES = $(if $(wildcard $(srcdir)/.git),git ls-files --cached,find $(DIST_TOP) -type f)
DIST_TOP = Makefile configure configure.ac lib include examples tests man \
           pkgconfig packaging README.md NEWS LICENSE .clang-format .clang-tidy .ci .gitignore
dist:
	@rm -rf $(B)/$(DIST) && mkdir -p $(B)/$(DIST)
	cd $(srcdir) && $(DIST_FILES) | tar -cf - -T - | tar -xf - -C $(abspath $(B))/$(DIST)
	cp $(firstword $(wildcard $(srcdir)/configure $(B)/configure)) $(B)/$(DIST)/configure
	tar -czf $(B)/$(DIST).tar.gz --owner=0 --group=0 --sort=name -C $(B) $(DIST)
	@rm -rf $(B)/$(DIST)
	@echo $(B)/$(DIST).tar.gz
# Debian's packages, in $(B)/deb; packaging/deb tells more.
deb: dist
	@$(srcdir)/packaging/deb $(B)/deb $(B)/$(DIST).tar.gz $(VERSION)
# What programs see, against the last tag; packaging/abi/compare has the rules.
abi: $(STAGE)/installed
	@$(srcdir)/packaging/abi/check $(srcdir) $(B)/abi $(STAGE)
distcheck:
	$(RUN_ENV) $(srcdir)/tests/api/distcheck

.PHONY: all FORCE setup examples chat chat-picture cluster bench bench-plots bench-where dashboard small notify \
        bench-page bench-load bench-server conformance-server check check-build check-c check-js check-clusters \
        check-api check-lint check-interop check-long long-scale record check-threads \
        fuzz fuzz-seed fuzz-merge fuzz-targets fuzz-build compatibility threats \
        html switches update-exports update-ceilings lint \
        format check-format tidy tidy-tests cppcheck clang-build clang-tests install uninstall clean distclean dist deb abi distcheck
.SECONDARY:
.DELETE_ON_ERROR:
-include $(OBJS:.o=.d) $(TESTS:=.d) $(TEST_HELP_OBJS:.o=.d) $(SERVERS:=.d)
