// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/pagetables of linux-vm-hacks: the page tables themselves.
 *
 *	pgd [p4d] pud pmd pte                   read: the table of that level on the way to an address, 512 x 8 bytes
 *	pgdindex [p4dindex] pudindex pmdindex   the address by the slots on the way
 *	vaddr                                   the same address as a whole
 *	pid                                     whose; 0: the reader's
 *
 * p4d and p4dindex are there with 5 levels. The four kinds of index and vaddr are one address, and with pid they are one
 * selection, of all readers; a read takes both at once, under a lock.
 *
 * A line "pid=N vaddr=0x..." (or the indices, "pudindex=3") written to a table's file is the whole selection of
 * that descriptor from then on: what it leaves out is 0. The process is looked up at the write and kept by its mm:
 * when it has exited reads say so, whoever has its pid then. "root=user" chooses PTI's pgd of user mode.
 *
 * What a read at offset 0 finds is kept with the descriptor, and reads from elsewhere go on in that, so that a table
 * or a number that is read in pieces is one copy.
 *
 * Reading: ENODATA an entry above is empty, ENOTDIR an entry above maps a huge page, EIO a table on the way cannot be
 * read, EAGAIN it changed at each of several looks, ESRCH no such process or it has no memory, ENOMEM, EINTR.
 * Writing: EINVAL not in the form above, ERANGE an index above 511, an address that is not canonical, a number that is
 * too large, E2BIG longer than 255 bytes, ESRCH. Both: EPERM.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "origins.h"

#define LINE    255 /* bytes of a write at most */
#define ENTRIES (PW_TABLE_BYTES / sizeof(u64))

enum what { TABLE, INDEX, VADDR, PID, ROOT };

/* Files, and words of a line: all but the tables. */
static const struct def {
	const char *name;
	enum what what;
	unsigned int level;
} defs[] = {
	{ "pgd", TABLE, PAGEWALK_LEVEL_PGD },
	{ "p4d", TABLE, PAGEWALK_LEVEL_P4D },
	{ "pud", TABLE, PAGEWALK_LEVEL_PUD },
	{ "pmd", TABLE, PAGEWALK_LEVEL_PMD },
	{ "pte", TABLE, PAGEWALK_LEVEL_PTE },
	{ "pgdindex", INDEX, PAGEWALK_LEVEL_PGD },
	{ "p4dindex", INDEX, PAGEWALK_LEVEL_P4D },
	{ "pudindex", INDEX, PAGEWALK_LEVEL_PUD },
	{ "pmdindex", INDEX, PAGEWALK_LEVEL_PMD },
	{ "vaddr", VADDR },
	{ "pid", PID },
	{ "root", ROOT },
};

struct selection {
	u32 pid; /* 0: the reader */
	u64 va;
	bool user_root;
};

/* An open file. */
struct view {
	const struct def *def;
	struct mutex lock; /* of all below */
	bool own;          /* it has a selection of its own: */
	struct selection sel;
	struct mm_struct *mm; /* of its pid, by mmgrab; NULL with pid 0 */
	size_t kept;          /* bytes of data[]; 0: none yet */
	u8 *data;             /* PW_TABLE_BYTES */
};

static DEFINE_MUTEX(shared_lock);
static struct selection shared; /* of all descriptors that have none of their own */
static struct dentry *dir;

/* -------- selections -------- */

static bool in_use(unsigned int level)
{
	return level != PAGEWALK_LEVEL_P4D || arch_levels() == 5;
}

static unsigned int shift_of(unsigned int level)
{
	return arch_shift(level == PAGEWALK_LEVEL_PGD ? 0 : arch_levels() - 1 - level);
}

static int set_index(struct selection *s, unsigned int level, u64 n)
{
	unsigned int shift;

	if (n >= ENTRIES || (n && !in_use(level)))
		return -ERANGE;
	if (!in_use(level))
		return 0;
	shift = shift_of(level);
	s->va = arch_canonical((s->va & ~((ENTRIES - 1) << shift)) | n << shift);
	return 0;
}

static int set_root(struct selection *s, const char *text)
{
	s->user_root = !strcmp(text, "user");
	return s->user_root || !strcmp(text, "kernel") ? 0 : -EINVAL;
}

static int set(struct selection *s, const struct def *def, const char *text)
{
	u64 n;
	int rc;

	if (def->what == ROOT)
		return set_root(s, text);
	rc = kstrtou64(text, 0, &n);
	if (rc)
		return rc;
	if (def->what == INDEX)
		return set_index(s, def->level, n);
	if (def->what == VADDR) {
		if (arch_canonical(n) != n)
			return -ERANGE;
		s->va = n;
		return 0;
	}
	if (n > INT_MAX)
		return -ERANGE;
	s->pid = n;
	return 0;
}

static u64 get(const struct selection *s, const struct def *def)
{
	if (def->what == PID)
		return s->pid;
	return def->what == VADDR ? s->va : s->va >> shift_of(def->level) & (ENTRIES - 1);
}

static int select_for_all(const struct def *def, char *text)
{
	struct selection s;
	int rc;

	if (mutex_lock_killable(&shared_lock))
		return -EINTR;
	s = shared;
	rc = set(&s, def, strim(text));
	if (!rc)
		shared = s;
	mutex_unlock(&shared_lock);
	return rc;
}

static const struct def *find_word(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(defs); i++)
		if (defs[i].what != TABLE && !strcmp(defs[i].name, name))
			return &defs[i];
	return NULL;
}

/* Each word once, and the address in one way. */
static int parse(struct selection *s, char *line)
{
	unsigned int words = 0, kinds = 0;
	const struct def *def;
	char *word, *value;
	int rc;

	while ((word = strsep(&line, " \t\n"))) {
		if (!*word)
			continue;
		value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value++ = 0;
		def = find_word(word);
		if (!def || words & BIT(def - defs))
			return -EINVAL;
		words |= BIT(def - defs);
		kinds |= BIT(def->what);
		rc = set(s, def, value);
		if (rc)
			return rc;
	}
	return words && (kinds & (BIT(INDEX) | BIT(VADDR))) != (BIT(INDEX) | BIT(VADDR)) ? 0 : -EINVAL;
}

static int select_here(struct view *v, char *line)
{
	struct selection s = {};
	struct mm_struct *mm = NULL;
	int rc = parse(&s, line);

	if (rc)
		return rc;
	if (s.pid) {
		mm = pw_mm_of_pid(s.pid);
		if (!mm)
			return -ESRCH;
	}
	if (v->mm)
		mmdrop(v->mm);
	v->mm = mm;
	v->sel = s;
	v->own = true;
	return 0;
}

/* -------- tables -------- */

/* What the walk was for, or why it did not get there. */
static int take(const struct pw_walk *w, unsigned int level, u8 *to)
{
	unsigned int depth = w->loaded - 1;
	u64 pa;

	if (!w->loaded)
		return -EIO;
	if (arch_level(depth) != level) {
		u64 entry = w->path[depth].word[w->va >> arch_shift(depth) & (ENTRIES - 1)];

		return arch_is_leaf(depth, entry, &pa) ? -ENOTDIR : -ENODATA;
	}
	memcpy(to, w->path[depth].word, PW_TABLE_BYTES);
	return 0;
}

/* All levels down to the one that is meant are asked for, as one of them may be what cannot be read. */
static int copy_table(struct mm_struct *mm, const struct selection *s, unsigned int level, u8 *to)
{
	u64 root = arch_root(mm);
	struct pw_walk *w;
	int rc = 0, bad = 0;

	if (s->user_root && arch_user_root(root) != PAGEWALK_NONE)
		root = arch_user_root(root);
	w = pw_walk_new(mm, root, s->va, s->va, GENMASK(PW_DEPTH - 1, level));
	if (!w)
		return -ENOMEM;
	while (!rc && !bad && !w->done) {
		rc = pw_walk_step(w, PW_BATCH);
		if (!rc && w->n)
			bad = w->record[w->n - 1].status;
		cond_resched();
	}
	if (bad)
		rc = bad == -EAGAIN ? -EAGAIN : -EIO;
	if (!rc)
		rc = take(w, level, to);
	pw_walk_free(w);
	return rc;
}

static int fill_table(struct view *v, const struct selection *s)
{
	struct mm_struct *mm = v->own ? v->mm : NULL;
	int rc;

	if (!s->pid)
		mm = current->mm;
	if (mm)
		mmgrab(mm);
	else if (s->pid)
		mm = pw_mm_of_pid(s->pid);
	if (!mm)
		return -ESRCH;
	rc = copy_table(mm, s, v->def->level, v->data);
	mmdrop(mm);
	if (!rc)
		v->kept = PW_TABLE_BYTES;
	return rc;
}

static int fill(struct view *v)
{
	struct selection s = v->sel;

	v->kept = 0;
	if (!v->own) {
		if (mutex_lock_killable(&shared_lock))
			return -EINTR;
		s = shared;
		mutex_unlock(&shared_lock);
	}
	if (v->def->what == TABLE)
		return fill_table(v, &s);
	v->kept = scnprintf(v->data, PW_TABLE_BYTES, v->def->what == VADDR ? "0x%llx\n" : "%llu\n", get(&s, v->def));
	return 0;
}

/* -------- files -------- */

static ssize_t vm_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct view *v = file->private_data;
	ssize_t rc = pw_may_look();

	if (rc)
		return rc;
	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	if (!*pos || (!v->kept && *pos < PW_TABLE_BYTES))
		rc = fill(v);
	if (!rc)
		rc = simple_read_from_buffer(buf, len, pos, v->data, v->kept);
	mutex_unlock(&v->lock);
	return rc;
}

/* One write is one line, wherever the last read has left the offset; the next read begins anew. */
static ssize_t vm_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct view *v = file->private_data;
	char text[LINE + 1];
	int rc = pw_may_look();

	if (rc)
		return rc;
	if (len > LINE)
		return -E2BIG;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	text[len] = 0;
	if (strlen(text) != len)
		return -EINVAL;
	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	rc = v->def->what == TABLE ? select_here(v, text) : select_for_all(v->def, text);
	if (!rc) {
		v->kept = 0;
		*pos = 0;
	}
	mutex_unlock(&v->lock);
	return rc ? rc : len;
}

static loff_t vm_llseek(struct file *file, loff_t offset, int whence)
{
	return fixed_size_llseek(file, offset, whence, PW_TABLE_BYTES);
}

static int vm_open(struct inode *inode, struct file *file)
{
	int rc = pw_may_look();
	struct view *v;

	if (rc)
		return rc;
	v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);
	if (!v)
		return -ENOMEM;
	v->data = kmalloc(PW_TABLE_BYTES, GFP_KERNEL_ACCOUNT);
	if (!v->data) {
		kfree(v);
		return -ENOMEM;
	}
	v->def = inode->i_private;
	mutex_init(&v->lock);
	file->private_data = v;
	return 0;
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct view *v = file->private_data;

	if (v->mm)
		mmdrop(v->mm);
	mutex_destroy(&v->lock);
	kfree(v->data);
	kfree(v);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.open = vm_open,
	.release = vm_release,
	.read = vm_read,
	.write = vm_write,
	.llseek = vm_llseek,
};

int vm_hacks_start(void)
{
	unsigned int i;

	dir = debugfs_create_dir("pagetables", NULL);
	if (PTR_ERR(dir) == -EEXIST)
		return -EEXIST;
	if (IS_ERR(dir)) {
		pr_info("no debugfs: no pagetables in it\n");
		dir = NULL;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(defs); i++)
		if (defs[i].what != ROOT && in_use(defs[i].level))
			debugfs_create_file(defs[i].name, 0600, dir, (void *)&defs[i], &vm_fops);
	return 0;
}

void vm_hacks_stop(void)
{
	debugfs_remove_recursive(dir);
}
