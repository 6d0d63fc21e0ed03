/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Audit: each rule by a machine that breaks it, beside one that does not; summing; baselines; a system that moves on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <pagewalk/audit.h>

#include "machine.h"

#define RAM "ram 0x0-0xffffff\n"
#define MMU                                                                      \
	"mmu arch=x86-64 levels=4 maxphyaddr=46 page-offset=0xffff888000000000 " \
	"dialect=soft-dirty,uffd-wp,saved-dirty\n" RAM
#define PTI "mmu arch=x86-64 levels=4 maxphyaddr=46 page-offset=0xffff888000000000 pti=1 dialect=soft-dirty\n" RAM
/* A process with a VMA of each kind, each with a page at its start; rows of the table at 0x13000 may be given anew behind it. */
#define USER                                                                                              \
	"process 7 p root=0x10000\n"                                                                      \
	"vma 7 00400000-00402000 r-xp 00000000 fe:01 7                                /bin/p\n"           \
	"vma 7 00402000-00404000 rw-p 00000000 00:00 0                                [heap]\n"           \
	"vma 7 00404000-00406000 ---p 00000000 00:00 0\n"                                                 \
	"vma 7 00406000-00408000 r--p 00000000 00:00 0\n"                                                 \
	"vma 7 00408000-0040a000 r-xp 00000000 00:00 0\n"                                                 \
	"vma 7 0040a000-0040c000 rwxp 00000000 00:00 0\n"                                                 \
	"vma 7 00600000-00700000 rw-p 00000000 00:00 0\n"                                                 \
	"page 0x10000\n0 = 0x11067\npage 0x11000\n0 = 0x12067\npage 0x12000\n2 = 0x13067\npage 0x13000\n" \
	"0 = 0x100025\n2 = 0x8000000000101067\n6 = 0x8000000000102025\n"
#define KERNEL                                                                                                      \
	"kernel root=0x20000\n"                                                                                     \
	"region ffff888000000000-ffff8880ffffffff direct map\n"                                                     \
	"region ffffc90000000000-ffffc900ffffffff vmalloc\n"                                                        \
	"region fffffe0000000000-fffffe7fffffffff cpu entry area\n"                                                 \
	"region ffffffff81000000-ffffffff811fffff kernel text\n"                                                    \
	"region ffffffff81200000-ffffffff813fffff kernel rodata\n"                                                  \
	"region ffffffff81400000-ffffffff815fffff kernel data\n"                                                    \
	"region ffffffffff600000-ffffffffff600fff vsyscall\n"                                                       \
	"page 0x20000\n273 = 0x21067\n402 = 0x23067\n508 = 0x2a067\n511 = 0x26067\n"                                \
	"page 0x21000\n0 = 0x22067\n"                                                                               \
	"page 0x22000\n0 = 0x2d067\n1 = 0x80000000002001e1\n2 = 0x80000000004001e1\n3-7 = 0x80000000006001e3 step " \
	"0x200000\n"                                                                                                \
	"page 0x2d000\n1-511 = 0x8000000000001163 step 0x1000\n"                                                    \
	"page 0x23000\n0 = 0x24067\npage 0x24000\n0 = 0x25067\npage 0x25000\n"                                      \
	"0 = 0x8000000000700163\n1 = 0x80000000fee0017b\n"                                                          \
	"page 0x2a000\n0 = 0x2b067\npage 0x2b000\n0 = 0x2c067\npage 0x2c000\n0 = 0x8000000000800161\n"              \
	"page 0x26000\n510 = 0x27067\n511 = 0x28067\n"                                                              \
	"page 0x27000\n8 = 0x2001e1\n9 = 0x80000000004001e1\n10 = 0x80000000006001e3\n"                             \
	"page 0x28000\n507 = 0x29067\npage 0x29000\n"

#define MOST_PAGES 32

/* Rows of a page that is given again go to the first one, so that a machine can be changed at its end. */
static struct machine *machine_of(const char *text)
{
	struct {
		char name[32], rows[8192];
	} *page = calloc(MOST_PAGES, sizeof(*page));
	char *all = calloc(1, 65536), *to = NULL;
	struct machine *m;
	size_t n = 0;

	assert_non_null(page);
	assert_non_null(all);
	while (*text) {
		size_t len = strcspn(text, "\n") + 1, i;

		if (!strncmp(text, "page ", 5)) {
			for (i = 0; i < n && (strlen(page[i].name) != len || strncmp(page[i].name, text, len)); i++)
				;
			assert_true(i < MOST_PAGES && len < sizeof(page->name));
			n += i == n;
			snprintf(page[i].name, sizeof(page->name), "%.*s", (int)len, text);
			to = page[i].rows;
		} else if (*text < '0' || *text > '9') {
			to = NULL;
			strncat(all, text, len);
		} else {
			assert_non_null(to);
			strncat(to, text, len);
		}
		text += len;
	}
	for (size_t i = 0; i < n; i++)
		strcat(strcat(all, page[i].name), page[i].rows);
	m = machine_new(all);
	free(all);
	free(page);
	return m;
}

struct text {
	char s[16384];
	size_t n;
};

static int put(struct text *t, struct pw_audit *a)
{
	size_t n;
	struct pw_finding *f = pw_audit_findings(a, &n);

	for (size_t i = 0; i < n; i++) {
		char perm[5];

		t->n += (size_t)snprintf(t->s + t->n, sizeof(t->s) - t->n,
					 "%s %s %llx-%llx %llu/%llu %llux%llu %s %s%s\n", f[i].rule->id, f[i].space,
					 (unsigned long long)f[i].va, (unsigned long long)f[i].last,
					 (unsigned long long)f[i].bytes, (unsigned long long)f[i].pages,
					 (unsigned long long)f[i].spaces, (unsigned long long)f[i].pieces,
					 pw_perm_text(f[i].perm, perm), f[i].name, f[i].known ? " known" : "");
		assert_true(t->n < sizeof(t->s));
	}
	return 0;
}

static struct pw_audit *audit_of(struct machine *m, bool exact)
{
	const struct pw_audit_opts opts = { .size = sizeof(opts), .exact = exact };
	struct pw_error err = { 0 };
	struct pw_audit *a = pw_audit_new(&m->target, &opts, &err);

	if (!a)
		fail_msg("%s", err.text);
	return a;
}

/* All processes of the machine, then its kernel. */
static void look_at_all(struct machine *m, struct pw_audit *a)
{
	for (int collect = 1; collect >= 0; collect--) {
		for (size_t i = 0; i <= m->text.nprocesses; i++) {
			struct pw_select sel = { .kind = PW_SELECT_KERNEL };
			struct pw_walk_stats stats = { 0 };
			struct pw_error err = { 0 };
			struct pw_space space;

			if (i < m->text.nprocesses)
				sel = (struct pw_select){ .kind = PW_SELECT_PID, .pid = m->text.process[i].pid };
			else if (m->text.kernel_root == PW_PA_NONE)
				continue;
			if (pw_target_space(&m->target, &sel, &space, &err))
				fail_msg("%s", err.text);
			assert_int_equal(collect ? pw_audit_collect(a, &space) : pw_audit_space(a, &space, &stats), 0);
			pw_space_free(&space);
		}
	}
}

static void check_as(const char *machine, bool exact, const char *expect)
{
	struct machine *m = machine_of(machine);
	struct pw_audit *a = audit_of(m, exact);
	struct text t = { .n = 0 };

	look_at_all(m, a);
	put(&t, a);
	assert_string_equal(t.s, expect);
	assert_int_equal(pw_audit_lost(a), 0);
	pw_audit_free(a);
	machine_free(m);
}

static void check(const char *machine, const char *expect)
{
	check_as(machine, false, expect);
}

/* What is not changed has no findings. */
static void test_a_sound_machine_has_none(void **state)
{
	(void)state;
	check(MMU USER, "");
	check(MMU KERNEL, "");
	check(MMU USER KERNEL, "");
}

static void test_write_against_the_vma(void **state)
{
	(void)state;
	check(MMU USER "6 = 0x8000000000102067\n", "vma-write p 406000-406fff 4096/1 1x1 rw-u [anon]\n");
	check(MMU USER "2 = 0x8000000000101025\n", "");
}

static void test_exec_against_the_vma(void **state)
{
	(void)state;
	check(MMU USER "6 = 0x102025\n", "vma-exec p 406000-406fff 4096/1 1x1 r-xu [anon]\n"
					 "user-exec-anon p 406000-406fff 4096/1 1x1 r-xu [anon]\n");
}

static void test_a_page_of_a_vma_that_allows_nothing(void **state)
{
	(void)state;
	check(MMU USER "5 = 0x8000000000102025\n", "vma-none p 405000-405fff 4096/1 1x1 r--u [anon]\n");
	/* PROT_NONE: the CPU has it not. */
	check(MMU USER "5 = 0x800fffffffefd160\n", "");
}

static void test_outside_every_vma(void **state)
{
	(void)state;
	check(MMU USER "16 = 0x8000000000102025\n", "no-vma p 410000-410fff 4096/1 1x1 r--u -\n");
}

static void test_user_write_and_exec(void **state)
{
	(void)state;
	check(MMU USER "10-11 = 0x102067 step 0x1000\n", "user-wx p 40a000-40bfff 8192/2 1x1 rwxu [anon]\n");
	check(MMU USER "10 = 0x8000000000102067\n", "");
}

static void test_executable_memory_of_no_file(void **state)
{
	(void)state;
	check(MMU USER "8 = 0x102025\n", "user-exec-anon p 408000-408fff 4096/1 1x1 r-xu [anon]\n");
}

static void test_user_mode_is_kept_out_of_its_own_half(void **state)
{
	(void)state;
	check(MMU USER "2 = 0x8000000000101063\n", "user-supervisor p 402000-402fff 4096/1 1x1 rw-- [heap]\n");
}

static void test_a_huge_page_over_the_border(void **state)
{
	(void)state;
	check(MMU USER "page 0x12000\n3 = 0x80000000004000e7\n",
	      "vma-huge p 600000-7fffff 2097152/1 1x1 rw-u [anon]\n");
}

static void test_reserved_bits(void **state)
{
	(void)state;
	/* Of a page, and of what leads to a table; the CPU has no use for the rest of such an entry. */
	check(MMU USER "6 = 0x8004000000102067\n", "reserved p 406000-406fff 4096/1 1x1 rw-u [anon]\n");
	check(MMU USER "page 0x12000\n3 = 0x4000000014067\n", "reserved p 600000-7fffff 2097152/1 1x1 ---- [anon]\n");
	check(MMU KERNEL "page 0x25000\n0 = 0x8008000000700163\n",
	      "reserved kernel ffffc90000000000-ffffc90000000fff 4096/1 1x1 rw-- vmalloc\n");
	check("mmu levels=4 maxphyaddr=52\n" USER "6 = 0x8004000000102025\n", "");
}

static void test_outside_ram(void **state)
{
	(void)state;
	check(MMU USER "3 = 0x8000000fe0000067\n", "not-ram p 403000-403fff 4096/1 1x1 rw-u [heap]\n");
	/* A device's: no struct page, or not cached. */
	check(MMU USER "3 = 0x8000000fe0000267\n", "");
	check(MMU USER "3 = 0x8000000fe000007f\n", "");
	check(MMU KERNEL "page 0x25000\n2 = 0x80000000fed00163\n",
	      "kernel-not-ram kernel ffffc90000002000-ffffc90000002fff 4096/1 1x1 rw-- vmalloc\n");
	/* A page of which a part is RAM. */
	check(MMU KERNEL "page 0x22000\n8 = 0x8000000000e001e3\n", "");
	check("mmu levels=4 maxphyaddr=46 dialect=soft-dirty\nram 0x0-0xefffff\n" KERNEL
	      "page 0x22000\n8 = 0x8000000000e001e3\n",
	      "kernel-not-ram kernel ffff888000f00000-ffff8880011fffff 2097152/2 1x2 rw-- direct map\n");
	check(MMU USER "page 0x12000\n3 = 0x8000000fe0000067\n",
	      "table-not-ram p 600000-7fffff 2097152/1 1x1 ---- [anon]\n");
}

static void test_tables_that_are_mapped(void **state)
{
	(void)state;
	/* Its own, another's, read-only as well; and by a huge page. */
	check(MMU USER "3 = 0x8000000000012067\n", "table-map p 403000-403fff 4096/1 1x1 rw-u [heap]\n");
	check(MMU USER KERNEL "page 0x13000\n6 = 0x8000000000028025\n",
	      "table-map p 406000-406fff 4096/1 1x1 r--u [anon]\n");
	check(MMU USER "page 0x12000\n3 = 0x80000000000000e7\n",
	      "table-map p 610000-613fff 16384/4 1x1 rw-u [anon]\nvma-huge p 600000-7fffff 2097152/1 1x1 rw-u "
	      "[anon]\n");
	/* The kernel's other mappings, when they are writable; the direct map has all of them. */
	check(MMU USER KERNEL "page 0x25000\n4 = 0x8000000000013163\n5 = 0x8000000000013161\n",
	      "table-map kernel ffffc90000004000-ffffc90000004fff 4096/1 1x1 rw-- vmalloc\n");
}

static void test_kernel_write_and_exec(void **state)
{
	(void)state;
	check(MMU KERNEL "page 0x25000\n0 = 0x700163\n",
	      "kernel-wx kernel ffffc90000000000-ffffc90000000fff 4096/1 1x1 rwx- vmalloc\n");
	/* An upper level takes it away. */
	check(MMU KERNEL "page 0x25000\n0 = 0x700163\npage 0x24000\n0 = 0x8000000000025067\n", "");
}

static void test_kernel_that_user_mode_may_use(void **state)
{
	(void)state;
	check(MMU KERNEL "page 0x25000\n0 = 0x8000000000700167\n",
	      "kernel-user kernel ffffc90000000000-ffffc90000000fff 4096/1 1x1 rw-u vmalloc\n");
	check(MMU KERNEL "page 0x25000\n0 = 0x8000000000700167\npage 0x24000\n0 = 0x25063\n", "");
	check(MMU KERNEL "page 0x29000\n0 = 0x700125\n",
	      "vsyscall kernel ffffffffff600000-ffffffffff600fff 4096/1 1x1 r-xu vsyscall\n");
	check(MMU KERNEL "page 0x29000\n0 = 0x8000000000700167\n",
	      "kernel-user kernel ffffffffff600000-ffffffffff600fff 4096/1 1x1 rw-u vsyscall\n");
}

static void test_code_that_can_be_written(void **state)
{
	(void)state;
	check(MMU KERNEL "page 0x27000\n9 = 0x80000000004001e3\n",
	      "text-write kernel ffffffff81200000-ffffffff813fffff 2097152/1 1x1 rw-- kernel rodata\n");
	check(MMU KERNEL "page 0x22000\n1 = 0x80000000002001e3\n",
	      "text-alias kernel ffff888000200000-ffff8880003fffff 2097152/1 1x1 rw-- direct map\n");
	check(MMU KERNEL "page 0x25000\n3 = 0x8000000000234163\n",
	      "text-alias kernel ffffc90000003000-ffffc90000003fff 4096/1 1x1 rw-- vmalloc\n");
	check(MMU USER KERNEL "page 0x13000\n3 = 0x8000000000412067\n",
	      "text-alias p 403000-403fff 4096/1 1x1 rw-u [heap]\n");
	check(MMU KERNEL "page 0x25000\n3 = 0x8000000000234161\n", "");
}

static void test_code_where_none_should_be(void **state)
{
	(void)state;
	check(MMU KERNEL "page 0x25000\n0 = 0x700161\n",
	      "kernel-exec kernel ffffc90000000000-ffffc90000000fff 4096/1 1x1 r-x- vmalloc\n");
	/* Where CPUs start. */
	check(MMU KERNEL "page 0x2d000\n153 = 0x99161\n",
	      "real-mode kernel ffff888000099000-ffff888000099fff 4096/1 1x1 r-x- direct map\n");
	check(MMU KERNEL "page 0x2d000\n153 = 0x99163\n",
	      "kernel-wx kernel ffff888000099000-ffff888000099fff 4096/1 1x1 rwx- direct map\n");
	check(MMU KERNEL "page 0x2d000\n400 = 0x190161\n",
	      "kernel-exec kernel ffff888000190000-ffff888000190fff 4096/1 1x1 r-x- direct map\n");
}

static void test_no_region(void **state)
{
	(void)state;
	check(MMU KERNEL "page 0x23000\n511 = 0x2e067\npage 0x2e000\n511 = 0x80000000006001e1\n",
	      "no-region kernel ffffc97fffe00000-ffffc97fffffffff 2097152/1 1x1 r--- unused hole\n");
}

/* The user root of 0x10000 is 0x11000. */
#define PTI_USER                                                                                                  \
	"process 7 p root=0x10000\nvma 7 00402000-00404000 rw-p 00000000 00:00 0                                " \
	"[heap]\n"                                                                                                \
	"page 0x10000\npage 0x11000\n0 = 0x12067\n508 = 0x2a067\n511 = 0x15067\n273 = 0x17067\n"                  \
	"page 0x12000\n0 = 0x13067\npage 0x13000\n2 = 0x14067\npage 0x14000\n2 = 0x8000000000101067\n"            \
	"page 0x15000\n510 = 0x16067\npage 0x16000\n8 = 0x2001e1\n"                                               \
	"page 0x17000\n0 = 0x18067\npage 0x18000\n4 = 0x19067\npage 0x19000\n"

static void test_the_user_root_of_pti(void **state)
{
	(void)state;
	check(PTI PTI_USER KERNEL, "");
	/* A page that the entry area has, too, and one that it has not. */
	check(PTI PTI_USER "0 = 0x8000000000800163\n" KERNEL,
	      "pti-entry p ffff888000800000-ffff888000800fff 4096/1 1x1 rw-- direct map\n");
	check(PTI PTI_USER "0 = 0x8000000000801163\n" KERNEL,
	      "pti-leak p ffff888000800000-ffff888000800fff 4096/1 1x1 rw-- direct map\n");
	check(PTI PTI_USER "page 0x16000\n10 = 0x80000000006001e3\n" KERNEL,
	      "pti-leak p ffffffff81400000-ffffffff815fffff 2097152/1 1x1 rw-- kernel data\n");
	check(PTI PTI_USER "page 0x16000\n8 = 0x2001e3\n" KERNEL,
	      "kernel-wx p ffffffff81000000-ffffffff811fffff 2097152/1 1x1 rwx- kernel text\n"
	      "text-write p ffffffff81000000-ffffffff811fffff 2097152/1 1x1 rwx- kernel text\n");
}

static void test_what_is_alike_is_one_finding(void **state)
{
	static const char two[] =
		MMU USER "10 = 0x102067\n11 = 0x104067\n8 = 0x106025\n9 = 0x105025\n"
			 "process 8 p root=0x30000\n"
			 "vma 8 00400000-00404000 rwxp 00000000 00:00 0\n"
			 "page 0x30000\n0 = 0x31067\npage 0x31000\n0 = 0x32067\npage 0x32000\n2 = 0x33067\n"
			 "page 0x33000\n0 = 0x110067\n2-3 = 0x112067 step 0x1000\n";

	(void)state;
	check(two, "user-wx p 40a000-40bfff 20480/5 2x3 rwxu [anon]\n"
		   "user-exec-anon p 408000-409fff 8192/2 1x1 r-xu [anon]\n");
	check_as(two, true,
		 "user-wx p 40a000-40bfff 8192/2 1x1 rwxu [anon]\n"
		 "user-wx p 400000-400fff 4096/1 1x1 rwxu [anon]\n"
		 "user-wx p 402000-403fff 8192/2 1x1 rwxu [anon]\n"
		 "user-exec-anon p 408000-409fff 8192/2 1x1 r-xu [anon]\n");
}

/* -------- baselines -------- */

static int mark_by(struct pw_audit *a, const char *text, struct pw_error *err)
{
	char name[] = "/tmp/pagewalk-baseline-XXXXXX";
	int fd = mkstemp(name), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rc = pw_audit_baseline(a, name, err);
	unlink(name);
	return rc;
}

static void check_baseline(const char *baseline, bool known)
{
	struct machine *m = machine_of(MMU KERNEL "page 0x25000\n0 = 0x700163\n");
	struct pw_audit *a = audit_of(m, false);
	struct pw_error err = { 0 };
	size_t n;

	look_at_all(m, a);
	if (mark_by(a, baseline, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pw_audit_findings(a, &n)->known, known);
	assert_int_equal(n, 1);
	pw_audit_free(a);
	machine_free(m);
}

static void test_a_baseline_names_findings(void **state)
{
	(void)state;
	check_baseline("# comment\n\nkernel-wx kernel rwx- vmalloc\n", true);
	check_baseline("kernel-wx kernel rwx- vmalloc", true);
	check_baseline("kernel-wx kernel rwx- vmalloc\r\n", true);
	check_baseline("kernel-wx kernel * *\n", true);
	check_baseline("* * * *\n", true);
	check_baseline("", false);
	check_baseline("kernel-wx kernel rwx- vmallo\n", false);
	check_baseline("kernel-wx kernel rwx- vmalloc2\n", false);
	check_baseline("kernel-wx kernel rwxu vmalloc\n", false);
	check_baseline("kernel-wx kern rwx- vmalloc\n", false);
	check_baseline("user-wx kernel rwx- vmalloc\n", false);
}

static void test_a_bad_baseline_is_refused(void **state)
{
	static const char *const bad[] = { "kernel-wx\n",
					   "kernel-wx kernel\n",
					   "kernel-wx kernel rwx- \n",
					   "kernel-wx kernel rwx-\n",
					   "no-such-rule kernel rwx- vmalloc\n",
					   "\x01\n" };
	struct machine *m = machine_of(MMU KERNEL);
	struct pw_audit *a = audit_of(m, false);
	char *longest = malloc(70001);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pw_error err = { 0 };

		assert_int_equal(mark_by(a, bad[i], &err), -EINVAL);
		assert_non_null(strstr(err.text, ":1: "));
	}
	assert_non_null(longest);
	memset(longest, 'x', 70000);
	longest[70000] = 0;
	assert_int_equal(mark_by(a, longest, NULL), -EINVAL);
	free(longest);
	assert_int_equal(pw_audit_baseline(a, "/no/such/file", NULL), -ENOENT);
	pw_audit_free(a);
	machine_free(m);
}

/* Whatever a name is, its own line names it. */
static void test_a_key_names_its_finding(void **state)
{
	static const char *const names[] = { "a b", "*", " ", "\x1b[1m", "\xff\xc3", "#x", "a\\x20b", "\n", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct pw_finding f = {
			.rule = pw_audit_rules(&(size_t){ 0 }), .space = names[i], .path = names[i], .perm = 7
		};
		char *key = pw_finding_key(&f), *at = key;
		unsigned blanks = 0;

		assert_non_null(key);
		assert_null(strchr(key, '\n'));
		for (; *at && blanks < 3; at++)
			blanks += *at == ' ';
		assert_int_equal(blanks, 3);
		assert_true(*at);
		assert_null(strstr(key, " * "));
		free(key);
	}
}

/* -------- a system that runs -------- */

/* The process's VMA is made writable between the two looks: what the first has seen was a race. */
static void test_a_second_look_decides(void **state)
{
	(void)state;
	for (int changes = 0; changes < 2; changes++) {
		struct machine *m = machine_of(MMU USER "6 = 0x8000000000102067\n");
		const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 7 };
		struct pw_walk_stats stats = { 0 };
		struct pw_audit *a;
		struct pw_space space;
		size_t n;

		m->target.source.consistency = PW_VALIDATED;
		m->zero_copy = true;
		a = audit_of(m, false);
		assert_int_equal(pw_target_space(&m->target, &sel, &space, NULL), 0);
		if (changes)
			memcpy(strstr(m->text.vma[3].line, "r--p"), "rw-p", 4);
		assert_int_equal(pw_audit_space(a, &space, &stats), 0);
		pw_audit_findings(a, &n);
		assert_int_equal(n, !changes);
		pw_space_free(&space);
		pw_audit_free(a);
		machine_free(m);
	}
}

/* A frame that was a table when tables were collected, and is a page of user memory by now. */
static void test_a_table_that_was_freed_is_none(void **state)
{
	(void)state;
	for (int changes = 0; changes < 2; changes++) {
		struct machine *m =
			machine_of(MMU USER "3 = 0x8000000000014067\npage 0x12000\n3 = 0x14067\npage 0x14000\n");
		const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 7 };
		struct pw_walk_stats stats = { 0 };
		struct pw_audit *a;
		struct pw_space space;
		size_t n;

		m->target.source.consistency = PW_VALIDATED;
		m->zero_copy = true;
		a = audit_of(m, false);
		assert_int_equal(pw_target_space(&m->target, &sel, &space, NULL), 0);
		assert_int_equal(pw_audit_collect(a, &space), 0);
		if (changes)
			for (size_t i = 0; i < m->text.npages; i++)
				if (m->text.page[i].pa == 0x12000)
					m->text.page[i].words[3] = 0;
		assert_int_equal(pw_audit_space(a, &space, &stats), 0);
		pw_audit_findings(a, &n);
		assert_int_equal(n, !changes);
		pw_space_free(&space);
		pw_audit_free(a);
		machine_free(m);
	}
}

static void test_rules_are_in_order(void **state)
{
	size_t n;
	const struct pw_audit_rule *r = pw_audit_rules(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_non_null(r[i].id);
		assert_true(i == 0 || r[i].level <= r[i - 1].level);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(r[i].id, r[k].id);
	}
	assert_int_equal(pw_audit_level_parse("high"), PW_AUDIT_HIGH);
	assert_int_equal(pw_audit_level_parse("never"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sound_machine_has_none),
		cmocka_unit_test(test_write_against_the_vma),
		cmocka_unit_test(test_exec_against_the_vma),
		cmocka_unit_test(test_a_page_of_a_vma_that_allows_nothing),
		cmocka_unit_test(test_outside_every_vma),
		cmocka_unit_test(test_user_write_and_exec),
		cmocka_unit_test(test_executable_memory_of_no_file),
		cmocka_unit_test(test_user_mode_is_kept_out_of_its_own_half),
		cmocka_unit_test(test_a_huge_page_over_the_border),
		cmocka_unit_test(test_reserved_bits),
		cmocka_unit_test(test_outside_ram),
		cmocka_unit_test(test_tables_that_are_mapped),
		cmocka_unit_test(test_kernel_write_and_exec),
		cmocka_unit_test(test_kernel_that_user_mode_may_use),
		cmocka_unit_test(test_code_that_can_be_written),
		cmocka_unit_test(test_code_where_none_should_be),
		cmocka_unit_test(test_no_region),
		cmocka_unit_test(test_the_user_root_of_pti),
		cmocka_unit_test(test_what_is_alike_is_one_finding),
		cmocka_unit_test(test_a_baseline_names_findings),
		cmocka_unit_test(test_a_bad_baseline_is_refused),
		cmocka_unit_test(test_a_key_names_its_finding),
		cmocka_unit_test(test_a_second_look_decides),
		cmocka_unit_test(test_a_table_that_was_freed_is_none),
		cmocka_unit_test(test_rules_are_in_order),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
