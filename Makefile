# make            build the module and the command
# make help       everything else

export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=

BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/pam_jns
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
STORE   := /var/lib/jns

# libpam looks for modules where its own stand: Debian's multiarch directory, Fedora's lib64, Arch's lib.
# Not under PREFIX, which it never searches.
MULTIARCH  := $(subst i686-,i386-,$(shell uname -m)-linux-gnu)
PAM_PLACES := $(foreach lib,/usr/lib /lib,$(lib)/$(MULTIARCH)*) /usr/lib64 /lib64 /usr/lib /lib
PAMDIR     ?= $(patsubst %/pam_permit.so,%,$(firstword \
                $(wildcard $(addsuffix /security/pam_permit.so,$(PAM_PLACES)))))

TARGET  := $(or $(CARGO_TARGET_DIR),target)
MODULE  := $(TARGET)/release/libpam_jns.so
COMMAND := $(TARGET)/release/jns

NEXTEST := $(shell command -v cargo-nextest)
RUN     := $(if $(NEXTEST),$(CARGO) nextest run --locked --no-fail-fast --no-tests=pass,$(CARGO) test --locked --no-fail-fast)
# Real programs in a sandbox: on Debian 13 too, and against pam_namespace.
RUN_BED := $(RUN) --test end_to_end

export JNS_MODULE ?= $(abspath $(MODULE))

.PHONY: all prepare check test demo install uninstall clean help

# Cargo leaves link-time optimization out of a cdylib that is also an rlib, so the module is built a second
# time as a cdylib alone, in a directory of its own: in one directory the two builds undo each other.
all:
	$(CARGO) build --locked --release --bin jns
	$(CARGO) rustc --locked --release --lib --crate-type cdylib --target-dir $(TARGET)/module
	cmp -s $(TARGET)/module/release/libpam_jns.so $(MODULE) || \
	    install -m 0644 $(TARGET)/module/release/libpam_jns.so $(MODULE)

$(MODULE) $(COMMAND):
	$(MAKE) all

# Installs what building and testing need, as root on Debian and Ubuntu; quick when nothing is missing.
prepare:
	tests/toolchain
	tests/packages

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

test: prepare
	$(MAKE) all
	$(RUN)
	$(if $(NEXTEST),$(CARGO) test --locked --doc)
	JNS_BED=debian13 $(RUN_BED)
	JNS_UNDER_TEST=theirs $(RUN_BED)

clean:
	$(CARGO) clean

help:
	@sed -n 's/^# make/make/p' Makefile
