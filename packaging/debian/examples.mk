# The examples of libsocketio. Copy this folder, and run `make` in the copy: each
# .c file here is a program, and so is each folder of them.
#
#   make            all of them          make echo     one

SINGLE = $(basename $(wildcard *.c))
FOLDER_PROGRAMS = $(foreach d,$(patsubst %/main.c,%,$(wildcard */main.c)),$(d)/$(d))
CFLAGS ?= -O2 -g
CPPFLAGS += -DHAVE_REDIS $(shell pkg-config --cflags libsocketio)
LDLIBS += $(shell pkg-config --libs libsocketio) -pthread

all: $(SINGLE) $(FOLDER_PROGRAMS)
$(SINGLE): %: %.c
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS)
.SECONDEXPANSION:
$(FOLDER_PROGRAMS): $$(wildcard $$(@D)/*.[ch])
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) $(LDLIBS)
clean:
	rm -f $(SINGLE) $(FOLDER_PROGRAMS)
.PHONY: all clean
