// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mkmaps - puts known states of memory into a process, says where, and waits.
 *
 * Output, one record a line:
 *
 *	pid N
 *	pkru 0x...                       where the CPU has protection keys
 *	state NAME addr=0x... len=0x... page=BYTES kind=leaf|protnone|soft|none perm=rwxu|-
 *	      expect=ATTR,!ATTR,A|B,...|- [KEY=VALUE...]       (one line) a range of the state
 *	absent NAME REASON               the state cannot be had here
 *	ready MADE ABSENT                all is in place; the next lines answer commands
 *
 * KEY=VALUE: zero=1 (a zero page), shared=1|0 (to pagemap it is file or shared memory, or is not),
 * pfnmap=1 (pagemap sees a hole), pa=0x..., same-as=0x... (maps the same frames as there),
 * child=PID (shares it), key=N, rights=all|no-write|no-access (what PKRU allows for that key),
 * swap=1, secret=1 (not in the kernel's direct map), guard=1, marker=guard|uffd-wp.
 *
 * Commands on standard input (NAME may be "all"):
 *
 *	probe NAME [MAX]                 pkru 0x... (of the thread that probes, where there are keys)
 *	                                 probe NAME va=0x... r=ok|SEGV_...|SIGBUS w=... x=...
 *	verify NAME                      differs NAME va=0x... WHY
 *	quit
 *
 * Each is answered by its lines and then "done COMMAND NAME COUNT" (pages probed; differences),
 * or "error TEXT". A probe changes what it touches: expectations hold before the first one.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mkmaps.h"

#define STATE(n, f, d)                               \
	{                                            \
		.name = (n), .make = (f), .doc = (d) \
	}

/* Order matters: see mkmaps.h. */
static struct mk_state states[] = {
	STATE("soft-dirty", mk_soft_dirty, "4K, every other page written after clear_refs 4"),
	STATE("cow-child", mk_cow_child, "4K, private, written, then shared with a child by fork"),
	STATE("shared-child", mk_shared_child, "4K, MAP_SHARED, also written by a child"),
	STATE("anon", mk_anon_written, "4K, written"),
	STATE("anon-holes", mk_anon_holes, "4K, in turn written, untouched, only read"),
	STATE("anon-ro", mk_anon_ro, "4K, written, then read-only"),
	STATE("zero", mk_zero, "4K zero page"),
	STATE("protnone", mk_protnone, "4K PROT_NONE, half of it was written"),
	STATE("mlock", mk_mlock, "4K, populated by mlock"),
	STATE("dontneed", mk_dontneed, "4K, the middle given back with MADV_DONTNEED"),
	STATE("lazyfree", mk_lazyfree, "4K, written, then MADV_FREE"),
	STATE("mremap", mk_mremap, "4K, written, then moved"),
	STATE("sparse", mk_sparse, "1 TiB reserved, three pages written"),
	STATE("stack-guard", mk_stack_guard, "a thread's stack over its PROT_NONE guard page"),
	STATE("growsdown", mk_growsdown, "MAP_GROWSDOWN, grown by touching"),
	STATE("top47", mk_top47, "the last page of the 47-bit user half"),
	STATE("high57", mk_high57, "above 47 bits, up to the last page of 56"),
	STATE("guard-region", mk_guard_region, "4K, the middle MADV_GUARD_INSTALL"),
	STATE("swap", mk_swap, "4K, written, then swapped out"),
	STATE("thp", mk_thp, "2M transparent huge pages, written"),
	STATE("thp-ro", mk_thp_ro, "2M, written, then read-only"),
	STATE("thp-exec", mk_thp_exec, "2M, filled with code, then read-execute"),
	STATE("thp-protnone", mk_thp_protnone, "2M, written, then PROT_NONE"),
	STATE("thp-split", mk_thp_split, "a huge page mapped by 4K entries, one of them read-only"),
	STATE("thp-uffd-wp", mk_thp_uffd_wp, "2M, write-protected by userfaultfd"),
	STATE("zero-huge", mk_zero_huge, "2M zero page"),
	STATE("hugetlb-2m", mk_hugetlb_2m, "hugetlb 2M, written"),
	STATE("hugetlb-2m-protnone", mk_hugetlb_2m_protnone, "hugetlb 2M, written, then PROT_NONE"),
	STATE("hugetlb-1g", mk_hugetlb_1g, "hugetlb 1G, written"),
	STATE("file-shared", mk_file_shared, "4K of a file in memory, shared, written"),
	STATE("file-private", mk_file_private, "4K of this program's file, half read, half written"),
	STATE("memfd-sealed", mk_memfd_sealed, "4K of a memfd sealed against writing"),
	STATE("memfd-secret", mk_memfd_secret, "4K of memfd_secret, not in the direct map"),
	STATE("alias", mk_alias, "the same 4K pages at two addresses"),
	STATE("vvar", mk_vvar, "the first page of [vvar]"),
	STATE("vdso", mk_vdso, "[vdso]"),
	STATE("devmem", mk_devmem, "VGA memory through /dev/mem"),
	STATE("pci-bar", mk_pci_bar, "a display's frame buffer through sysfs"),
	STATE("exec", mk_exec, "4K of code, read-execute"),
	STATE("rwx", mk_rwx, "4K of code, read-write-execute"),
	STATE("exec-only", mk_exec_only, "4K of code, PROT_EXEC alone"),
	STATE("pkey", mk_pkey, "4K with three protection keys of different rights"),
	STATE("uffd-wp", mk_uffd_wp, "4K, half write-protected by userfaultfd"),
	STATE("uffd-marker", mk_uffd_marker, "4K, write-protected by userfaultfd before it was there"),
	STATE("shadow-stack", mk_shadow_stack, "4K shadow stack"),
};

#define N_STATES (sizeof(states) / sizeof(states[0]))

static const char *const kinds[] = { "leaf", "protnone", "soft", "none" };

static bool stay;

static void usage(FILE *f)
{
	fputs("Usage: mkmaps [--list] [--only A,B,...] [--spin] [--stay]\n"
	      "Puts known states of memory into its own process and waits.\n\n"
	      "  --list      print each state's name and description\n"
	      "  --only A,B  make these states only\n"
	      "  --spin      then keep the CPU in user mode until SIGTERM; commands still work\n"
	      "  --stay      wait for a signal when standard input ends (--spin implies it)\n",
	      f);
}

static struct mk_state *find_state(const char *name)
{
	for (size_t i = 0; i < N_STATES; i++)
		if (!strcmp(states[i].name, name))
			return &states[i];
	return NULL;
}

static void want(char *only)
{
	char *save = NULL;

	for (size_t i = 0; !only && i < N_STATES; i++)
		states[i].wanted = true;
	if (!only)
		return;
	for (char *name = strtok_r(only, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		struct mk_state *st = find_state(name);

		if (!st) {
			fprintf(stderr, "mkmaps: no state is called '%s' (see --list)\n", name);
			exit(2);
		}
		st->wanted = true;
	}
}

static void print_state(const struct mk_state *st)
{
	if (!st->made) {
		printf("absent %s %s\n", st->name, st->reason);
		return;
	}
	for (size_t i = 0; i < st->n; i++) {
		const struct mk_range *r = &st->r[i];

		printf("state %s addr=0x%lx len=0x%zx page=%zu kind=%s perm=%s expect=%s%s%s\n", st->name, r->addr,
		       r->len, r->page, kinds[r->kind], *r->perm ? r->perm : "-", *r->expect ? r->expect : "-",
		       *r->note ? " " : "", r->note + strspn(r->note, " "));
	}
}

/* probe or verify one state or all. */
static void command(const char *verb, const char *name, size_t max)
{
	bool probe = !strcmp(verb, "probe");
	size_t count = 0, found = 0;

	if (probe)
		mk_print_pkru();
	for (size_t i = 0; i < N_STATES; i++) {
		struct mk_state *st = &states[i];

		if (!st->made || (strcmp(name, "all") && strcmp(name, st->name)))
			continue;
		found++;
		count += probe ? mk_probe(st, max) : mk_verify(st);
	}
	if (found)
		printf("done %s %s %zu\n", verb, name, count);
	else
		printf("error no state '%s' was made\n", name);
}

static void serve(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		char verb[16], name[64];
		size_t max = 64;
		int n = sscanf(line, "%15s %63s %zu", verb, name, &max);

		if (n == 1 && !strcmp(verb, "quit")) {
			stay = false;
			return;
		}
		if (n >= 2 && (!strcmp(verb, "probe") || !strcmp(verb, "verify")))
			command(verb, name, max ? max : 1);
		else if (n > 0)
			printf("error unknown command\n");
		fflush(stdout);
	}
}

static void finish(void)
{
	mk_child_stop();
	fflush(stdout);
	_exit(0);
}

static void *server(void *unused)
{
	(void)unused;
	serve();
	if (!stay)
		finish();
	return NULL;
}

/* With --spin a second thread listens: it inherits the PKRU that the factories left. */
static void spin(void)
{
	volatile unsigned long turns = 0;
	pthread_t t;

	if (pthread_create(&t, NULL, server, NULL))
		exit(1);
	for (;;)
		turns++;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' }, { "only", required_argument, NULL, 'o' },
		{ "spin", no_argument, NULL, 's' }, { "stay", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	size_t made = 0, absent = 0;
	bool spinning = false;
	char *only = NULL;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'l') {
			for (size_t i = 0; i < N_STATES; i++)
				printf("%-20s %s\n", states[i].name, states[i].doc);
			return 0;
		} else if (c == 'o') {
			only = optarg;
		} else if (c == 's') {
			spinning = stay = true;
		} else if (c == 'w') {
			stay = true;
		} else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	want(only);
	printf("pid %d\n", getpid());
	fflush(stdout);
	mk_setup();
	for (size_t i = 0; i < N_STATES; i++) {
		if (!states[i].wanted)
			continue;
		states[i].made = !states[i].make(&states[i]);
		if (states[i].made)
			made++;
		else
			absent++;
	}
	mk_print_pkru();
	for (size_t i = 0; i < N_STATES; i++)
		if (states[i].wanted)
			print_state(&states[i]);
	printf("ready %zu %zu\n", made, absent);
	fflush(stdout);

	if (spinning)
		spin();
	serve();
	while (stay)
		pause();
	finish();
}
