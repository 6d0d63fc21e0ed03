// SPDX-License-Identifier: GPL-2.0-only
/*
 * dump-x86_64-pagetable: /sys/kernel/debug/corny/intel_pagetables, the tables that the CPU which reads it uses.
 *
 * A report begins with the read of its first byte. CPU, CR3 and the tables are those of that moment and of the
 * process that makes that read; later reads of the open file go on with the same report, whoever makes them and
 * on whatever CPU. Each table is copied once, under its own lock where it has one, when the report gets there.
 * What is held between two reads is bounded: a table of each level, and the walk's own batch.
 */
#include <linux/cpufeature.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <asm/pgtable.h>
#include <asm/processor-flags.h>

#include "origins.h"

#define PCID_BITS 0xfffULL

/* -------- the parameter -------- */

static unsigned int depth = 2;

static int set_depth(const char *text, const struct kernel_param *kp)
{
	unsigned int n;
	int rc = kstrtouint(text, 0, &n);

	if (rc || n < 1 || n > PW_DEPTH)
		return -EINVAL;
	WRITE_ONCE(depth, n);
	return 0;
}

static const struct kernel_param_ops depth_ops = { .set = set_depth, .get = param_get_uint };
module_param_cb(depth, &depth_ops, &depth, 0644);
MODULE_PARM_DESC(depth, "levels of tables in intel_pagetables, from the root: 1 to 5 (default: 2)");

/* -------- a report -------- */

/* A table that is being gone through. */
struct level {
	u64 va;            /* that entry 0 covers */
	unsigned int next; /* entry that comes next */
	u64 word[PW_TABLE_BYTES / sizeof(u64)];
};

/* What one call of show() prints. */
struct piece {
	enum { PIECE_HEAD, PIECE_ENTRY, PIECE_NO_ROOT } kind;
	unsigned int depth; /* of the table that has the entry */
	u64 va, last;
	u64 raw;       /* of the first entry, when it is a run of pages */
	bool followed; /* the table that it leads to comes next */
	int status;    /* why that table does not */
};

struct report {
	struct mm_struct *mm; /* by mmgrab; NULL: no report has begun */
	struct pagewalk_info info;
	unsigned int cpu;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	unsigned int depth; /* levels to show */

	struct pw_walk *w;
	unsigned int at;  /* record of w's that comes next */
	unsigned int top; /* tables of level[] in use */
	bool done;
	int rc;     /* why the piece at `pos` could not be made */
	loff_t pos; /* of `piece` */
	struct piece piece;
	struct level level[PW_DEPTH];
};

static void drop(struct report *r)
{
	pw_walk_free(r->w);
	r->w = NULL;
	if (r->mm)
		mmdrop(r->mm);
	r->mm = NULL;
}

static unsigned int levels_wanted(const struct report *r)
{
	unsigned int d, wanted = 0;

	for (d = 0; d < r->depth; d++)
		wanted |= 1 << arch_level(d);
	return wanted;
}

#ifdef PAGEWALK_CHECK
/* A build for tests: bits that the CPU at hand does not have in its registers. */
static ulong check_cr3, check_cr4;
module_param(check_cr3, ulong, 0444);
module_param(check_cr4, ulong, 0444);

static void pretend(struct pagewalk_info *info)
{
	info->cr3 |= check_cr3;
	info->cr4 |= check_cr4;
}
#else
static void pretend(struct pagewalk_info *info)
{
}
#endif

/* The registers, read while nothing else can run on this CPU: CR3 is then that of the reader's own mm. */
static int look_at_cpu(struct report *r)
{
	int rc;

	memset(&r->info, 0, sizeof(r->info));
	r->cpu = get_cpu();
	r->info.cpu = r->cpu;
	rc = arch_info(&r->info);
	put_cpu();
	pretend(&r->info);
	return rc;
}

static int begin(struct report *r)
{
	int rc;

	drop(r);
	r->pos = 0;
	r->at = 0;
	r->top = 0;
	r->done = false;
	r->piece = (struct piece){ .kind = PIECE_HEAD };
	if (!current->mm)
		return -ESRCH;
	r->depth = min(READ_ONCE(depth), arch_levels());
	r->pid = task_tgid_vnr(current);
	get_task_comm(r->comm, current);
	rc = look_at_cpu(r);
	if (rc)
		return rc;
	r->mm = current->mm;
	mmgrab(r->mm);
	r->w = pw_walk_new(r->mm, arch_root(r->mm), 0, ~0ULL, levels_wanted(r));
	return r->w ? 0 : -ENOMEM;
}

/* -------- from tables to pieces -------- */

/* The next table in *rec; NULL when there is none any more. */
static int next_table(struct report *r, struct pagewalk_table **rec)
{
	int rc;

	while (r->at == r->w->n && !r->w->done) {
		r->at = 0;
		r->w->n = 0;
		rc = pw_walk_step(r->w, PW_BATCH);
		if (rc)
			return rc;
		cond_resched();
	}
	*rec = r->at < r->w->n ? &r->w->record[r->at] : NULL;
	return 0;
}

static unsigned int depth_of(const struct pagewalk_table *rec)
{
	unsigned int d;

	for (d = 0; d < arch_levels() && arch_level(d) != rec->level; d++)
		;
	return d;
}

static void enter(struct report *r, const struct pagewalk_table *rec)
{
	struct level *t = &r->level[r->top++];

	t->va = rec->va;
	t->next = 0;
	memcpy(t->word, r->w->page[r->at], sizeof(t->word));
}

static u64 va_of(const struct level *t, unsigned int d, unsigned int i)
{
	return arch_canonical(t->va + ((u64)i << arch_shift(d)));
}

/* The bits by which pages differ for a reader. */
static u64 same_mask(unsigned int d)
{
	u64 mask = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_PWT | _PAGE_PCD | _PAGE_ACCESSED | _PAGE_DIRTY |
		   _PAGE_PSE | _PAGE_GLOBAL | _PAGE_PKEY_BIT0 | _PAGE_PKEY_BIT1 | _PAGE_PKEY_BIT2 | _PAGE_PKEY_BIT3 |
		   _PAGE_NX;

	return arch_level(d) == PAGEWALK_LEVEL_PTE ? mask : mask | _PAGE_PAT_LARGE;
}

/* Whether page b goes on, in physical memory too, where page a ends. */
static bool continues(unsigned int d, u64 a, u64 b)
{
	u64 pa, pb;

	if (!arch_is_leaf(d, a, &pa) || !arch_is_leaf(d, b, &pb) || pb != pa + (1ULL << arch_shift(d)))
		return false;
	return !((a ^ b) & same_mask(d)) && arch_reserved(d, a) == arch_reserved(d, b);
}

/* The next present entry below index `end` of the lowest table, with what continues it. False: there is none. */
static bool take_entry(struct report *r, unsigned int end)
{
	unsigned int d = r->top - 1, i;
	struct level *t = &r->level[d];

	for (; t->next < end; t->next++)
		if (t->word[t->next] & _PAGE_PRESENT)
			break;
	if (t->next >= end)
		return false;
	for (i = t->next + 1; i < end && continues(d, t->word[i - 1], t->word[i]); i++)
		;
	r->piece = (struct piece){
		.kind = PIECE_ENTRY,
		.depth = d,
		.va = va_of(t, d, t->next),
		.last = va_of(t, d, i - 1) + ((1ULL << arch_shift(d)) - 1),
		.raw = t->word[t->next],
	};
	t->next = i;
	return true;
}

/* The entry that leads to a table which comes next: as it was when that was copied. */
static void take_link(struct report *r, const struct pagewalk_table *rec, unsigned int index)
{
	unsigned int d = r->top - 1;
	struct level *t = &r->level[d];
	u64 va = va_of(t, d, index);

	r->piece = (struct piece){
		.kind = PIECE_ENTRY,
		.depth = d,
		.va = va,
		.last = va + ((1ULL << arch_shift(d)) - 1),
		.raw = rec->entry,
		.followed = true,
		.status = rec->status,
	};
	t->next = index + 1;
}

static void take_no_root(struct report *r, const struct pagewalk_table *rec)
{
	r->piece = (struct piece){ .kind = PIECE_NO_ROOT, .status = rec->status };
}

/* Makes the next piece, or notes that there is none. */
static int advance(struct report *r)
{
	struct pagewalk_table *rec;
	unsigned int d, index;
	int rc;

	while (!r->done) {
		rc = next_table(r, &rec);
		if (rc)
			return rc;
		d = rec ? depth_of(rec) : 0;
		if (r->top > d) { /* what is left of tables that do not lead there */
			if (take_entry(r, ARRAY_SIZE(r->level[0].word)))
				return 0;
			r->top--;
			continue;
		}
		if (!rec) {
			r->done = true;
			break;
		}
		if (d) {
			index = rec->va >> arch_shift(d - 1) & 511;
			if (take_entry(r, index))
				return 0;
			take_link(r, rec, index);
		}
		if (!rec->status)
			enter(r, rec);
		else if (!d)
			take_no_root(r, rec);
		r->at++;
		if (d || rec->status)
			return 0;
	}
	drop(r);
	return 0;
}

/* -------- text -------- */

static void show_paging(struct seq_file *m, const struct report *r)
{
	bool pcid = r->info.cr4 & X86_CR4_PCIDE;

	/* Intel's tables are the same for both depths; AMD's manual has one section for all of it. */
	if (!strcmp(arch_vendor(), "GenuineIntel"))
		seq_printf(m, "paging according to Tab 4-%u intel dev manual (vol. 3A)", pcid ? 13 : 12);
	else
		seq_puts(m, "paging according to 5.3 amd64 manual vol. 2");
	seq_printf(m, ": %u levels, CR4.PCIDE = %u", arch_levels(), pcid);
	if (pcid)
		seq_printf(m, ", PCID 0x%llx", r->info.cr3 & PCID_BITS);
	seq_putc(m, '\n');
}

static void show_keys(struct seq_file *m, const struct report *r)
{
	bool user = r->info.cr4 & X86_CR4_PKE;
	/* X86_CR4_PKS has a name in some kernels only. */
	bool supervisor = r->info.cr4 & 1 << 24;

	if (!user && !supervisor)
		seq_puts(m, "No protection keys enabled (this is normal)\n");
	else
		seq_printf(m, "Protection keys enabled:%s%s\n", user ? " PKE" : "", supervisor ? " PKS" : "");
}

static void show_head(struct seq_file *m, const struct report *r)
{
	u64 root = arch_root(r->mm), user = arch_user_root(root);

	seq_printf(m, "pagewalk_origins: cpu %u, pid %d (%*pE)\n", r->cpu, r->pid, (int)strlen(r->comm), r->comm);
	seq_printf(m, "(%s) x86_phys_bits %u\n", arch_vendor(), arch_phys_bits());
	seq_printf(m, "cr3: 0x%llx\n", r->info.cr3);
	show_paging(m, r);
	show_keys(m, r);
	seq_printf(m, "page table in virtual memory at %016llx\n", r->info.page_offset + root);
	if (user != PAGEWALK_NONE)
		seq_printf(m,
			   "page-table isolation: this is the kernel's table, NX on all that is the user's; user mode "
			   "runs on 0x%llx\n",
			   user);
}

/* As the origin: a word or nothing in each of the first places, then the words that apply. */
static void show_bits(struct seq_file *m, unsigned int d, u64 raw, bool leaf)
{
	bool pte = arch_level(d) == PAGEWALK_LEVEL_PTE;
	unsigned int key = (raw & (15ULL << _PAGE_BIT_PKEY_BIT0)) >> _PAGE_BIT_PKEY_BIT0;

	seq_printf(m, "%c %c %s %s %s", raw & _PAGE_RW ? 'W' : 'R', raw & _PAGE_USER ? 'U' : 'K',
		   raw & _PAGE_PWT ? "PWT" : "", raw & _PAGE_PCD ? "PCD" : "", raw & _PAGE_ACCESSED ? "A" : "");
	if (leaf) {
		seq_puts(m, raw & _PAGE_DIRTY ? " D" : "");
		seq_puts(m, raw & _PAGE_GLOBAL ? " G" : "");
		seq_puts(m, raw & (pte ? _PAGE_PAT : _PAGE_PAT_LARGE) ? " PAT" : "");
		if (key)
			seq_printf(m, " key=%u", key);
	}
	seq_puts(m, raw & _PAGE_NX ? " NX" : "");
}

static const char *why_not(int status)
{
	return status == -EAGAIN ? "kept changing" : status == -ENXIO ? "is not in RAM" : "cannot be read";
}

static void show_entry(struct seq_file *m, const struct piece *p)
{
	static const char *const size[] = { "4K", "2M", "1G" };
	u64 reserved = arch_reserved(p->depth, p->raw), pa;
	bool leaf = arch_is_leaf(p->depth, p->raw, &pa);
	int indent = 2 * p->depth;

	if (p->followed)
		seq_printf(m, "%*sentry %016llx\n", indent, "", p->raw);
	seq_printf(m, "%*sv %016llx %016llx ", indent, "", p->va, p->last);
	show_bits(m, p->depth, p->raw, leaf);
	if (leaf)
		seq_printf(m, " %s p %016llx\n", size[arch_level(p->depth)], pa);
	else if (arch_is_table(p->depth, p->raw, &pa))
		seq_printf(m, " t %016llx\n", pa);
	if (reserved)
		seq_printf(m, "%*sreserved bits %016llx are set in entry %016llx: the CPU does not use it\n", indent,
			   "", reserved, p->raw);
	if (p->status)
		seq_printf(m, "%*sthe table at %016llx %s\n", indent, "", pa, why_not(p->status));
}

/* -------- the file -------- */

static void *piece_at(struct report *r)
{
	return r->rc ? ERR_PTR(r->rc) : r->done ? NULL : r;
}

static void *report_start(struct seq_file *m, loff_t *pos)
{
	struct report *r = m->private;

	if (!*pos)
		r->rc = begin(r);
	else if (*pos != r->pos || !r->w)
		return r->rc ? ERR_PTR(r->rc) : NULL;
	else if (r->rc) /* of a reader that was killed, perhaps: this one need not be */
		r->rc = advance(r);
	return piece_at(r);
}

static void *report_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct report *r = v;

	r->pos = ++*pos;
	r->rc = advance(r);
	return piece_at(r);
}

static void report_stop(struct seq_file *m, void *v)
{
}

static int report_show(struct seq_file *m, void *v)
{
	const struct report *r = v;

	switch (r->piece.kind) {
	case PIECE_HEAD:
		show_head(m, r);
		break;
	case PIECE_ENTRY:
		show_entry(m, &r->piece);
		break;
	case PIECE_NO_ROOT:
		seq_printf(m, "the root table %s\n", why_not(r->piece.status));
		break;
	}
	return 0;
}

static const struct seq_operations report_ops = {
	.start = report_start,
	.next = report_next,
	.stop = report_stop,
	.show = report_show,
};

static int report_open(struct inode *inode, struct file *file)
{
	struct report *r;
	int rc = pw_may_look();

	if (rc)
		return rc;
	r = kvzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	rc = seq_open(file, &report_ops);
	if (rc)
		kvfree(r);
	else
		((struct seq_file *)file->private_data)->private = r;
	return rc;
}

static int report_release(struct inode *inode, struct file *file)
{
	struct report *r = ((struct seq_file *)file->private_data)->private;

	drop(r);
	kvfree(r);
	return seq_release(inode, file);
}

static ssize_t report_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	int rc = pw_may_look();

	return rc ? rc : seq_read(file, buf, len, pos);
}

/* What is sought is made, and not shown. */
static loff_t report_llseek(struct file *file, loff_t offset, int whence)
{
	int rc = pw_may_look();

	return rc ? rc : seq_lseek(file, offset, whence);
}

static const struct file_operations report_fops = {
	.owner = THIS_MODULE,
	.open = report_open,
	.read = report_read,
	.llseek = report_llseek,
	.release = report_release,
};

static struct dentry *folder;

int intel_pagetables_start(void)
{
	folder = debugfs_create_dir("corny", NULL);
	if (folder == ERR_PTR(-EEXIST)) /* of the origin itself, perhaps */
		return -EEXIST;
	if (IS_ERR(folder)) {
		pr_notice("pagewalk_origins: debugfs is off: no intel_pagetables\n");
		return 0;
	}
	debugfs_create_file("intel_pagetables", 0400, folder, NULL, &report_fops);
	return 0;
}

void intel_pagetables_stop(void)
{
	debugfs_remove_recursive(folder);
}
