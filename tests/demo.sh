#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `./run demo`: shows what Pagewalk shows, on a small process with interesting memory: on this machine where an
# exact source works here, else in a guest. Also what runs inside that guest (demo.sh --here), under busybox.
set -eu

STATES=anon,protnone,thp,thp-protnone,file-private,exec

title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
explain() { printf '%s   %s%s\n' "$dim" "$*" "$plain"; }
show() {
	printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"
	$sudo "$@" || :
}

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
fi

# Starts mkmaps and waits until its memory is as it shall be. It ends with this script: its stdin does.
start_mkmaps() {
	directory=$(mktemp -d)
	mkfifo "$directory/in"
	mkmaps --only "$STATES" <"$directory/in" >"$directory/out" 2>&1 &
	exec 9>"$directory/in"
	trap 'exec 9>&-; rm -rf "$directory"' EXIT
	until grep -q '^ready' "$directory/out"; do
		kill -0 $! 2>/dev/null || { cat "$directory/out" >&2; exit 3; }
		sleep 0.1
	done
	pid=$(sed -n 's/^pid //p' "$directory/out")
}

# The first address of a state.
address() {
	sed -n "s/^state $1 addr=0x\([0-9a-f]*\) .*/\1/p" "$directory/out" | head -n 1
}

demo() {
	start_mkmaps
	title 'What can pagewalk see here?'
	show pagewalk doctor
	title "A small process made for this, PID $pid: where its memory really is"
	explain 'A private file: pages that were only read are still the file'"'"'s (r--u), written ones are copies (rw-u).'
	explain 'A% and D%: how many of the pages were accessed and dirtied. PHYS: physically contiguous stretches.'
	show pagewalk dump "$pid"
	title 'One address, level by level'
	explain 'Each entry, where it is in physical memory, and what it points to; the last one is the page.'
	show pagewalk translate "$pid" "$(address anon)"
	title 'A huge page: the walk ends one level earlier'
	show pagewalk translate "$pid" "$(address thp)"
	title 'PROT_NONE: the kernel keeps the page, the CPU may not use it'
	show pagewalk translate "$pid" "$(address protnone)"
	title 'The same, VMA by VMA'
	show pagewalk vmas "$pid"
	title "The kernel's own tables: the first lines"
	show pagewalk dump kernel | head -n 16
	title 'Any raw entry, explained offline'
	show pagewalk decode 80000001a2f3c867 --level pte
	title "Next: sudo pagewalk dump \$\$    pagewalk --help    man pagewalk"
}

if [ "${1:-}" = --here ]; then
	sudo=''
	demo
	exit 0
fi

tree=$(cd "$(dirname "$0")/.." && pwd)
PATH=$tree/build:$tree/build/tests/helpers:$PATH
sudo=''
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
	echo "demo: exact tables are for root: using sudo" >&2
	sudo="sudo env PATH=$PATH"
fi
if $sudo pagewalk doctor >/dev/null 2>&1; then
	demo
	exit 0
fi
title 'No exact source works on this machine:'
$sudo pagewalk doctor || :
title 'So here is the same in a guest of a Debian kernel (QEMU)'
exec "$tree/run" ${PAGEWALK_YES:+$([ "$PAGEWALK_YES" = yes ] && echo -y)} \
	guest 6.12 --with "$tree/tests/demo.sh" -- sh /with/demo.sh --here
