# The examples of libsocketio. Copy this folder, and run `make` in the copy: each
# .c file here is a program, and so is each folder of them.
#
#   make            all of them          make echo     one
#
# Those that need a library beyond libsocketio are left out where it is not; a
# folder without a main.c is no program, and its files say how to compile them.

NEEDS_notify = sqlite3 libsodium

SINGLE = $(basename $(wildcard *.c))
has_needs = $(shell pkg-config --exists libsocketio $(NEEDS_$(1)) && echo yes)
FOLDERS = $(foreach d,$(patsubst %/main.c,%,$(wildcard */main.c)),$(if $(call has_needs,$(d)),$(d)))
FOLDER_PROGRAMS = $(foreach d,$(FOLDERS),$(d)/$(d))
CFLAGS ?= -O2 -g
CPPFLAGS += -DHAVE_REDIS $(shell pkg-config --cflags libsocketio)
MORE = $(if $(NEEDS_$(@F)),$$(pkg-config --cflags --libs $(NEEDS_$(@F))))
LDLIBS += $(shell pkg-config --libs libsocketio) -pthread

all: $(SINGLE) $(FOLDER_PROGRAMS)
$(SINGLE): %: %.c
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS)
.SECONDEXPANSION:
$(FOLDER_PROGRAMS): $$(wildcard $$(@D)/*.[ch])
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) $(LDLIBS) $(MORE)
clean:
	rm -f $(SINGLE) $(FOLDER_PROGRAMS)
.PHONY: all clean
