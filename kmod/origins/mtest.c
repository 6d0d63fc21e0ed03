// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/mtest: VMAs, translations and bytes of processes by written commands; answer.h has what all such files do.
 *
 *	[pid N | comm NAME] listvma             start, end and permissions of each VMA; without a process of all
 *	[pid N | comm NAME] findpage ADDR       the entry of each level and the physical address; without one the writer's
 *	[pid N | comm NAME] writeval ADDR VAL   puts a byte there, as if the process did; without one the writer's
 *
 * ADDR is hexadecimal, 0x or not; N decimal; VAL 0 to 255, decimal, 0x hexadecimal or 0 octal. A NAME is one word.
 *
 * findpage answers "translation not found" with the reason when there is none: that is no error. With 4 levels it shows the
 * pgd's entry a second time as the p4d's, as the kernel sees it. Addresses of the kernel are looked up as well, by the
 * process's tables; user ones, with page-table isolation, by what user mode runs on.
 *
 * writeval breaks copy-on-write, and takes VMAs only that are writable by themselves. It needs CAP_SYS_PTRACE and
 * CAP_SYS_RAWIO beside, pagewalk.ko's writable=1, and no lockdown; each write is logged.
 *
 * Errnos besides: ERANGE a number is too large for what it is, ESRCH no such process (for writeval: or it has no memory),
 * ENOTUNIQ several processes have that name: the answer has their pids. writeval: EPERM, EROFS without writable=1,
 * EACCES the VMA is not writable, EFAULT there is no VMA, or no page can be had.
 */
#include <linux/capability.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "mtest.h"

/* -------- numbers -------- */

static int get_address(const char *word, u64 *va)
{
	return kstrtou64(word, 16, va);
}

static int get_byte(const char *word, u8 *byte)
{
	return kstrtou8(word, 0, byte);
}

/* -------- findpage -------- */

static const char *const level_names[] = {
	[PAGEWALK_LEVEL_PTE] = "pte", [PAGEWALK_LEVEL_PMD] = "pmd", [PAGEWALK_LEVEL_PUD] = "pud",
	[PAGEWALK_LEVEL_P4D] = "p4d", [PAGEWALK_LEVEL_PGD] = "pgd",
};

/* Of the lowest level whose entry is known. */
struct entry {
	unsigned int depth;
	u64 raw;
};

/* With 4 levels the root is pgd and p4d in one. */
static bool is_folded(unsigned int depth)
{
	return !depth && arch_levels() == 4;
}

static const char *level_name(unsigned int depth)
{
	return level_names[is_folded(depth) ? PAGEWALK_LEVEL_P4D : arch_level(depth)];
}

static void add_entry(struct answer *a, u64 va, const struct entry *e)
{
	const char *name = level_names[arch_level(e->depth)];

	answer_add(a, "%s_val = %#llx\n", name, e->raw);
	answer_add(a, "%s_index = %llu\n", name, va >> arch_shift(e->depth) & 511);
	if (is_folded(e->depth))
		answer_add(a, "p4d_val = %#llx\np4d_index = 0\n", e->raw);
}

static void not_found(struct answer *a, const char *why, const char *level)
{
	answer_add(a, "translation not found: %s%s\n", why, level);
}

static void add_absent(struct answer *a, u64 va, const struct entry *e)
{
	static const char *const why[] = {
		[ARCH_EMPTY] = "not mapped in ",
		[ARCH_PROT_NONE] = "PROT_NONE in ",
		[ARCH_SPLITTING] = "a huge page is being split in ",
		[ARCH_SWAPPED] = "swapped, by ",
		[ARCH_NOTE] = "migration, poison or a marker in ",
		[ARCH_OTHER] = "not present in ",
	};
	enum arch_absent what = arch_absent(e->depth, e->raw);

	if (what != ARCH_EMPTY && !arch_is_user(va))
		what = ARCH_OTHER;
	not_found(a, why[what], level_name(e->depth));
}

static void add_page(struct answer *a, u64 va, const struct entry *e, u64 pa)
{
	u64 in = va & ((1ULL << arch_shift(e->depth)) - 1);

	if (arch_level(e->depth) != PAGEWALK_LEVEL_PTE)
		answer_add(a, "huge page of %uM in %s\n", (unsigned int)((1ULL << arch_shift(e->depth)) / SZ_1M),
			   level_name(e->depth));
	answer_add(a, "page_addr = %#llx, page_offset = %#llx\n", pa, in);
	answer_add(a, "vaddr = %#llx -> paddr = %#llx\n", va, pa + in);
}

/* The tables of one address, from the root down; the entries above the last are those that led there. */
static void add_tables(struct answer *a, u64 va, struct pw_walk *w, struct entry *e)
{
	unsigned int i;

	for (i = 0; i < w->n; i++) {
		const struct pagewalk_table *t = &w->record[i];

		if (t->slot_pa != PAGEWALK_NONE) {
			e->raw = t->entry;
			add_entry(a, va, e);
			e->depth++;
		}
		if (t->status) {
			not_found(a,
				  t->status == -EAGAIN ? "it changed at each look, below "
						       : "no table can be read below ",
				  t->slot_pa == PAGEWALK_NONE ? "the root" : level_name(e->depth - 1));
			return;
		}
		e->raw = ((u64 *)w->page[i])[va >> arch_shift(e->depth) & 511];
	}
}

static int look_up(struct answer *a, struct mm_struct *mm, u64 va)
{
	struct pw_walk *w = pw_walk_new(mm, pw_walk_root(mm, va), va, va, 0);
	struct entry e = {};
	bool failed = false;
	int rc = 0;
	u64 pa;

	if (!w)
		return -ENOMEM;
	while (!rc && !w->done) {
		rc = pw_walk_step(w, PW_BATCH);
		if (rc)
			break;
		add_tables(a, va, w, &e);
		failed = w->n && w->record[w->n - 1].status;
		cond_resched();
	}
	pw_walk_free(w);
	if (rc == -ESRCH) {
		not_found(a, "the process has no memory", "");
		return 0;
	}
	if (rc || failed)
		return rc;
	add_entry(a, va, &e);
	if (arch_is_leaf(e.depth, e.raw, &pa))
		add_page(a, va, &e, pa);
	else if (arch_is_table(e.depth, e.raw, &pa))
		not_found(a, "it changed at each look, below ",
			  level_name(e.depth)); /* or there would be a further table */
	else
		add_absent(a, va, &e);
	return 0;
}

static int findpage(const struct process *p, char **args, struct answer *a)
{
	u64 va;
	int rc = get_address(args[0], &va);

	if (rc)
		return rc;
	answer_add(a, "vaddr = %#llx\n", va);
	answer_add(a, "pgtable_l5_enabled = %u\n", arch_levels() == 5);
	name_process(a, "current", p);
	if (arch_canonical(va) != va)
		not_found(a, "no canonical address", "");
	else if (!p->mm)
		not_found(a, "the process has no memory", "");
	else
		rc = look_up(a, p->mm, va);
	return rc ? answer_fail(a, rc, "%s", "") : 0;
}

/* -------- writeval -------- */

static int may_write(struct answer *a)
{
	int rc = capable(CAP_SYS_PTRACE) ? pw_may_write() : -EPERM;

	if (rc == -EROFS)
		return answer_fail(a, rc, "pagewalk.ko was not loaded with writable=1\n");
	return rc;
}

/* Why it may have failed; what decided is what pinned the page. */
static int explain(struct answer *a, struct mm_struct *mm, u64 va)
{
	struct vm_area_struct *vma;
	bool found, writable;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	if (mmap_read_lock_killable(mm)) {
		mmput(mm);
		return -EINTR;
	}
	vma = find_vma(mm, va);
	found = vma && vma->vm_start <= va;
	writable = found && vma->vm_flags & VM_WRITE;
	mmap_read_unlock(mm);
	mmput(mm);
	if (!found)
		return answer_fail(a, -EFAULT, "vma not found\n");
	if (!writable)
		return answer_fail(a, -EACCES, "vma has no write permission\n");
	return answer_fail(a, -EFAULT, "no page can be had\n");
}

static int put_byte(struct mm_struct *mm, u64 va, u8 byte)
{
	int rc;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	rc = pw_user_copy(mm, va, &byte, 1, FOLL_WRITE);
	mmput(mm);
	return rc;
}

static int writeval(const struct process *p, char **args, struct answer *a)
{
	u64 va;
	u8 byte;
	int rc = get_address(args[0], &va);

	if (!rc)
		rc = get_byte(args[1], &byte);
	if (!rc)
		rc = may_write(a);
	if (rc)
		return rc;
	if (!p->mm)
		return answer_fail(a, -ESRCH, "the process has no memory\n");
	if (va >= TASK_SIZE_MAX)
		return answer_fail(a, -EFAULT, "vma not found\n");
	rc = put_byte(p->mm, va, byte);
	pw_user_log(p->pid, va, !rc, 1);
	if (rc == -EFAULT)
		return explain(a, p->mm, va);
	if (!rc)
		answer_add(a, "found\n");
	return rc;
}

/* -------- commands -------- */

static int listvma(const struct process *p, char **args, struct answer *a)
{
	int rc = p ? list_process(a, p) : list_all(a);

	return rc ? answer_fail(a, rc, "%s", "") : 0;
}

static const struct command {
	const char *name, *prefix;
	unsigned int args;
	bool takes_all;
	int (*run)(const struct process *p, char **args, struct answer *a);
} commands[] = {
	{ "listvma", "[mtest.listvma] ", 0, true, listvma },
	{ "findpage", "[mtest.findpage] ", 1, false, findpage },
	{ "writeval", "[mtest.writeval] ", 2, false, writeval },
};

static const struct command *find_command(char **words)
{
	const struct command *c;
	unsigned int n = 0;

	while (n < ANSWER_WORDS && words[n])
		n++;
	for (c = commands; c < commands + ARRAY_SIZE(commands); c++)
		if (n == 1 + c->args && !strcmp(words[0], c->name))
			return c;
	return NULL;
}

/* How the words begin. */
enum whose { NOBODYS, BY_PID, BY_COMM };

static enum whose get_whose(char **words)
{
	if (!words[1])
		return NOBODYS;
	return !strcmp(words[0], "pid") ? BY_PID : !strcmp(words[0], "comm") ? BY_COMM : NOBODYS;
}

static int find_process(enum whose whose, const char *word, struct process *p, struct answer *a)
{
	u32 pid;
	int rc;

	if (whose == NOBODYS) {
		process_self(p);
		return 0;
	}
	if (whose == BY_COMM)
		return process_by_comm(word, p, a);
	rc = kstrtou32(word, 10, &pid);
	if (rc)
		return rc;
	return process_by_pid(pid, p) ? answer_fail(a, -ESRCH, "no process has PID %u\n", pid) : 0;
}

static int mtest_run(char *words[ANSWER_WORDS], struct answer *a, void **kept)
{
	char *none[ANSWER_WORDS + 2] = {}, **rest = none;
	enum whose whose = get_whose(words);
	const struct command *c;
	struct process p;
	int rc;

	memcpy(none, words, ANSWER_WORDS * sizeof(*words));
	if (whose != NOBODYS)
		rest += 2;
	c = rest[0] ? find_command(rest) : NULL;
	if (!c)
		return -EINVAL;
	answer_log_prefix(a, c->prefix);
	if (whose == NOBODYS && c->takes_all)
		return c->run(NULL, rest + 1, a);
	rc = find_process(whose, words[1], &p, a);
	if (rc)
		return rc;
	rc = c->run(&p, rest + 1, a);
	process_put(&p);
	return rc;
}

static struct answer_file mtest = { .name = "mtest", .run = mtest_run, .announce = true };

int mtest_start(void)
{
	return answer_file_start(&mtest);
}

void mtest_stop(void)
{
	answer_file_stop(&mtest);
}
