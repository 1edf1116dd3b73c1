# `make` builds the module and the command; `make help` says what else there is.

export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO   ?= cargo
# `selinux` builds with SELinux: FEATURES=selinux.
FEATURES ?=
PREFIX  ?= /usr/local
DESTDIR ?=

BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/pam_jns
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR ?= $(PREFIX)/lib/systemd/system
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
STORE   := /var/lib/jns
# Whether units can be enabled: not into a DESTDIR, and where systemd runs (sd_booted(3)).
SYSTEMD := $(if $(DESTDIR),,$(wildcard /run/systemd/system))
# The timer is enabled as it is installed first, where systemd looks for units (systemd.unit(5)): who has disabled it
# since is not overruled.
UNITS_FOUND := $(filter $(UNITDIR),$(addsuffix /systemd/system,/etc /usr/local/lib /usr/lib /lib))
ENABLE := $(if $(wildcard $(UNITDIR)/jns-gc.timer),true,$(if $(UNITS_FOUND),systemctl enable --now jns-gc.timer,\
    echo "systemd does not look for units in $(UNITDIR): link them, and enable jns-gc.timer"))

DOCUMENTS := README.md SECURITY.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE

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
WITH    := $(if $(FEATURES),--features $(FEATURES))
TESTS   := $(CARGO) $(if $(NEXTEST),nextest run,test) --locked
RUN     := $(TESTS) --no-fail-fast
SELINUX := --features selinux
# Real programs in a sandbox: on Debian 13 too, and against pam_namespace.
RUN_SANDBOX := $(RUN) --test end_to_end
# What depends on no PAM, shell or daemon: what the command does and says by itself, many logins at once, few descriptors,
# policies that are broken or change, the reasons in the log, what does not answer, the vault, namespaces that linger,
# overlays, files in /proc, the rules of directories, and a playbook.
SAME_ANYWHERE := run:: crowds:: gc:: ps:: doctor:: explained:: reasons:: broken_policies few_descriptors changes:: silent \
    vault:: linger:: overlays:: proc_files:: rules:: reuse:: runtime_attacks:: commands::a_playbook
# A sandbox waits for its daemons half of the time, and two at once leave a processor idle for a tenth of theirs.
export NEXTEST_TEST_THREADS ?= $(shell expr $$(nproc) '*' 2)

# What the fuzzer builds and collects, and for how many seconds it tries each target.
FUZZ         := $(abspath $(TARGET))/fuzz
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := policy fstab namespace_conf mount_table records

SEEDS_policy         := conf tests/cli/check tests/golden/plans
SEEDS_fstab          := tests/golden/fstabs
SEEDS_namespace_conf := tests/cli/import/pam_namespace
SEEDS_mount_table    := tests/golden/seeds/mount_table
SEEDS_records        := tests/golden/seeds/records

# Options of the benchmark; BENCH=--help lists them.
BENCH ?=

export JNS_MODULE ?= $(abspath $(MODULE))

.NOTPARALLEL:
.PHONY: all command module prepare check test test-quick test-vm faults soak bench demo sanitize fuzz fuzz-build $(addprefix fuzz-,$(FUZZ_TARGETS)) install uninstall clean help

all: command module

command:
	$(CARGO) build --locked --release $(WITH) --bin jns

# Cargo leaves link-time optimization out of a cdylib that is also an rlib, so the module is built once more as a
# cdylib alone, in a directory of its own: in one directory the two builds undo each other.
module:
	$(CARGO) rustc --locked --release $(WITH) --lib --crate-type cdylib --target-dir $(TARGET)/module
	cmp -s $(TARGET)/module/release/libpam_jns.so $(MODULE) || \
	    install -D -m 0644 $(TARGET)/module/release/libpam_jns.so $(MODULE)

$(MODULE):
	$(MAKE) module

$(COMMAND):
	$(MAKE) command

# Installs what building and testing need, as root on Debian and Ubuntu; quick when nothing is missing.
prepare:
	tests/toolchain
	tests/packages

check:
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/fuzz/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --locked --no-deps --document-private-items

# The module is tested as it is installed, the command as it is built for tests, with every overflow a panic. The
# module's link-time optimization has one thread for a minute or two; the tests are built meanwhile.
test: prepare
	$(MAKE) module & module=$$!; $(TESTS) --no-run; tests=$$?; wait $$module && exit $$tests
	$(RUN)
	$(if $(NEXTEST),$(CARGO) test --locked --doc)
	$(CARGO) clippy --locked $(SELINUX) --lib --bins --test language --test kernel --test parity -- -D warnings
	$(RUN) $(SELINUX) --lib --test language
	$(RUN) $(SELINUX) --test kernel labels
	JNS_SANDBOX=debian13 $(RUN_SANDBOX) --test parity -- $(addprefix --skip ,$(SAME_ANYWHERE))
	JNS_UNDER_TEST=theirs $(RUN_SANDBOX)
	JNS_COMMAND=$(TARGET)/debug/jns tests/demo

# An answer in two minutes: no module, no sandbox, no peer.
test-quick:
	tests/toolchain
	tests/packages
	$(RUN) --lib --test language --test rooms --test documents --test kernel

# On a kernel of Linux 7.0 or newer, which need not be this machine's: Debian's, in a virtual machine. VM_TESTS says which
# tests. Since Debian 13, virtiofsd(1) is a package of its own.
test-vm: prepare
	tests/packages qemu-system-x86 kmod $$(apt-cache pkgnames virtiofsd)
	$(MAKE) module
	tests/vm/run

# With every error that a system call of the module can fail with, and a thousand namespaces that end while others join.
faults: prepare
	$(MAKE) module
	JNS_ENDINGS=1000 $(RUN) --test kernel gc::joins::
	JNS_FAULTS=all $(RUN) --test host faults::

# Real logins for ten minutes, or SOAK: hours, or with a unit. SIGINT is the program's, which then ends with its report.
soak: prepare
	$(MAKE) module
	trap '' INT; $(CARGO) test --locked --test soak -- run

# Built as tests are: with its profile for benchmarks cargo would put a module without link-time optimization in the
# place of the one that is measured.
bench: prepare
	$(MAKE) all
	JNS_COMMAND=$(abspath $(COMMAND)) $(CARGO) bench --locked --profile dev --bench logins -- $(BENCH)

demo:
	tests/toolchain
	tests/packages openssh-client openssh-server iproute2 netcat-openbsd procps util-linux
	$(MAKE) all
	tests/demo

sanitize:
	tests/toolchain
	tests/packages gcc netcat-openbsd openssh-client openssh-server pamtester procps util-linux valgrind
	tests/sanitize

# Sanitizers are unstable features of the compiler, which RUSTC_BOOTSTRAP lets a stable one use; the fuzzer itself is
# C++. What fails is kept in $(FUZZ)/found: mend it, and put the file among the seeds, which the tests read.
fuzz: $(addprefix fuzz-,$(FUZZ_TARGETS))

fuzz-build:
	command -v c++ >/dev/null || tests/packages g++
	command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	RUSTC_BOOTSTRAP=1 $(CARGO) fuzz build --fuzz-dir tests/fuzz --target-dir $(FUZZ)

$(addprefix fuzz-,$(FUZZ_TARGETS)): fuzz-%: fuzz-build
	mkdir -p $(FUZZ)/found $(FUZZ)/corpus/$*
	$(FUZZ)/*/release/$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -verbosity=0 -print_funcs=0 -print_final_stats=1 \
	    -artifact_prefix=$(FUZZ)/found/$*- $(FUZZ)/corpus/$* $(SEEDS_$*)

# Nothing is written to /etc but that the timer is enabled, where systemd runs and this is not for a package: without it
# nothing would end the namespaces of users who have left. Without /etc/security/jns.toml the built-in policy is in force,
# and which service uses the module is the administrator's decision. So is jns-run-user.service: it changes the host's
# /run/user for everybody, from the next boot on, and pays where many are logged in at once. An existing store keeps its mode. The module is
# renamed into place: there is no moment at which a login finds none.
install: $(MODULE) $(COMMAND)
	@test -n "$(PAMDIR)" || { echo "cannot find the directory of the PAM modules: say make install PAMDIR=..." >&2; exit 1; }
	install -D -m 0644 $(MODULE) $(DESTDIR)$(PAMDIR)/pam_jns.so.new
	mv -f $(DESTDIR)$(PAMDIR)/pam_jns.so.new $(DESTDIR)$(PAMDIR)/pam_jns.so
	install -D -m 0755 $(COMMAND) $(DESTDIR)$(BINDIR)/jns
	install -d $(addprefix $(DESTDIR),$(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man8 $(DOCDIR)/pam.d-examples $(DOCDIR)/sudoers.d $(DOCDIR)/cron.d)
	install -d $(addprefix $(DESTDIR),$(BASHDIR) $(ZSHDIR) $(FISHDIR) $(UNITDIR) $(TMPFILESDIR))
	umask 022 && $(COMMAND) man $(DESTDIR)$(MANDIR)/man1
	umask 022 && $(COMMAND) completions bash > $(DESTDIR)$(BASHDIR)/jns
	umask 022 && $(COMMAND) completions zsh > $(DESTDIR)$(ZSHDIR)/_jns
	umask 022 && $(COMMAND) completions fish > $(DESTDIR)$(FISHDIR)/jns.fish
	umask 022 && sed 's,/usr/local/share/doc/pam_jns,$(DOCDIR),' man/jns.toml.5 > $(DESTDIR)$(MANDIR)/man5/jns.toml.5
	umask 022 && sed 's,/usr/local/share/doc/pam_jns,$(DOCDIR),' man/pam_jns.8 > $(DESTDIR)$(MANDIR)/man8/pam_jns.8
	umask 022 && sed 's,/usr/local/bin/,$(BINDIR)/,' conf/systemd/jns-gc.service \
	    > $(DESTDIR)$(UNITDIR)/jns-gc.service
	umask 022 && sed -e '/^ExecStart=/s,$$, --user %i,' -e 's,^Description=.*,Description=Look whether anything runs in the namespace of user %i,' \
	    $(DESTDIR)$(UNITDIR)/jns-gc.service > $(DESTDIR)$(UNITDIR)/jns-gc@.service
	install -m 0644 conf/systemd/jns-gc.timer conf/systemd/jns-run-user.service $(DESTDIR)$(UNITDIR)
	install -D -m 0644 conf/systemd/user-runtime-dir@.service.d.conf $(DESTDIR)$(UNITDIR)/user-runtime-dir@.service.d/50-jns.conf
	install -m 0644 conf/tmpfiles.d/jns.conf $(DESTDIR)$(TMPFILESDIR)
	install -m 0644 conf/jns.toml conf/selinux/jns.cil $(DOCUMENTS) $(DESTDIR)$(DOCDIR)
	install -m 0644 pam.d-examples/* $(DESTDIR)$(DOCDIR)/pam.d-examples
	install -m 0644 conf/sudoers.d/jns $(DESTDIR)$(DOCDIR)/sudoers.d
	umask 022 && sed 's,/usr/local/bin/,$(BINDIR)/,' conf/cron.d/jns > $(DESTDIR)$(DOCDIR)/cron.d/jns
	test -d $(DESTDIR)$(STORE) || install -d -m 0700 $(DESTDIR)$(STORE)
	$(if $(SYSTEMD),systemctl daemon-reload && $(ENABLE))

# Users' files in the store stay. Take the module out of /etc/pam.d first: a stack that names a missing module
# denies its sessions.
uninstall:
	@! grep -lE '^[^#]*pam_jns' $(DESTDIR)/etc/pam.d/* 2>/dev/null || \
	    { echo "these still use the module; take it out of them first" >&2; exit 1; }
	$(if $(SYSTEMD),-systemctl disable --now jns-gc.timer)
	$(if $(SYSTEMD),-systemctl disable jns-run-user.service)
	rm -f $(DESTDIR)$(PAMDIR)/pam_jns.so $(DESTDIR)$(BINDIR)/jns
	rm -f $(DESTDIR)$(MANDIR)/man1/jns.1 $(DESTDIR)$(MANDIR)/man1/jns-*.1
	rm -f $(DESTDIR)$(MANDIR)/man5/jns.toml.5 $(DESTDIR)$(MANDIR)/man8/pam_jns.8
	rm -f $(DESTDIR)$(BASHDIR)/jns $(DESTDIR)$(ZSHDIR)/_jns $(DESTDIR)$(FISHDIR)/jns.fish
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,jns-gc.service jns-gc@.service jns-gc.timer jns-run-user.service) $(DESTDIR)$(TMPFILESDIR)/jns.conf
	rm -f $(DESTDIR)$(UNITDIR)/user-runtime-dir@.service.d/50-jns.conf
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(UNITDIR)/user-runtime-dir@.service.d
	rm -rf $(DESTDIR)$(DOCDIR)
	$(if $(SYSTEMD),-systemctl daemon-reload)
	test ! -d $(DESTDIR)$(STORE) || rmdir --ignore-fail-on-non-empty $(DESTDIR)$(STORE)

clean:
	$(CARGO) clean

help:
	@echo 'make            build $(MODULE) and $(COMMAND)'
	@echo 'make FEATURES=selinux   the same with SELinux (needs libselinux1-dev and libclang-dev)'
	@echo 'make demo       see it at work: two users log in over ssh, in a sandbox (root, Debian or Ubuntu)'
	@echo 'make test       run every test; installs what they need (root, Debian or Ubuntu)'
	@echo 'make test-quick   the tests that take two minutes: units, language, rooms, documents, kernel'
	@echo 'make test-vm    what a newer kernel does otherwise, on Debian'\''s newest in a virtual machine (root, Debian or Ubuntu)'
	@echo 'make faults     every fault with every error, which takes an hour'
	@echo 'make soak       log a hundred users in and out for ten minutes (SOAK=2 two hours), and look for what is left'
	@echo 'make bench      measure what a login costs, beside pam_namespace and the kernel alone (root, Debian or Ubuntu)'
	@echo "                options: BENCH='--quick --json', BENCH=--help"
	@echo 'make check      formatting, lints and documentation, warnings as errors'
	@echo 'make fuzz       give each parser $(FUZZ_SECONDS) seconds (FUZZ_SECONDS) of what a fuzzer thinks of (needs C++)'
	@echo 'make sanitize   look for errors in memory while sessions open and close (root, Debian or Ubuntu)'
	@echo 'make install    install to $(PREFIX) and $(or $(PAMDIR),PAMDIR); DESTDIR and PREFIX as usual'
	@echo 'make uninstall  remove what install put there, but no files of users'
	@echo 'make clean      remove what was built'
