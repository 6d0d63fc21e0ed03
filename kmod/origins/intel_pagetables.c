// SPDX-License-Identifier: GPL-2.0-only
/*
 * dump-x86_64-pagetable: /sys/kernel/debug/corny/intel_pagetables, the tables that the CPU which reads it uses.
 *
 * A report begins with the read of its first byte. CPU, CR3 and the tables are those of that moment and of the
 * process that makes that read; later reads of the open file go on with the same report, whoever makes them and
 * on whatever CPU. Each table is copied once, under its own lock where it has one, when the report gets there.
 * What is held between two reads is bounded: a table of each level, and the walk's own batch.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "intel_report.h"

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
__MODULE_PARM_TYPE(depth, "uint");
MODULE_PARM_DESC(depth, "levels of tables in intel_pagetables, from the root: 1 to 5 (default: 2)");

/* -------- the file -------- */

static void *piece_at(struct report *r)
{
	return r->rc ? ERR_PTR(r->rc) : r->done ? NULL : r;
}

static void *report_start(struct seq_file *m, loff_t *pos)
{
	struct report *r = m->private;

	if (!*pos)
		r->rc = intel_report_begin(r, READ_ONCE(depth));
	else if (*pos != r->pos || !r->w)
		return r->rc ? ERR_PTR(r->rc) : NULL;
	else if (r->rc) /* of a reader that was killed, perhaps: this one need not be */
		r->rc = intel_report_advance(r);
	return piece_at(r);
}

static void *report_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct report *r = v;

	r->pos = ++*pos;
	r->rc = intel_report_advance(r);
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
		intel_show_head(m, r);
		break;
	case PIECE_ENTRY:
		intel_show_entry(m, &r->piece);
		break;
	case PIECE_NO_ROOT:
		intel_show_no_root(m, &r->piece);
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

	intel_report_end(r);
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
