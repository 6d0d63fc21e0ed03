// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "answer.h"
#include "origins.h"

#define MAX_LINE 255
#define FIRST    512
#define MAX_ONE  (16 << 20)
#define MAX_ALL  (64LL << 20)

static bool log_answers;
module_param_named(log, log_answers, bool, 0444);
MODULE_PARM_DESC(log, "answers of /proc/mtest and /proc/pagetable go to the kernel's log as well (default: 0)");

/* -------- a text -------- */

struct answer {
	struct kref ref;
	int rc; /* why it is not whole */
	size_t len, room;
	char *text;
	const char *prefix;
};

static atomic64_t all_room;

static void answer_free(struct kref *ref)
{
	struct answer *a = container_of(ref, struct answer, ref);

	atomic64_sub(a->room, &all_room);
	kvfree(a->text);
	kfree(a);
}

static void answer_put(struct answer *a)
{
	if (a)
		kref_put(&a->ref, answer_free);
}

/* Room for `more` bytes and the NUL. */
static int grow(struct answer *a, size_t more)
{
	size_t room = max_t(size_t, a->room * 2, FIRST);
	char *text;

	while (room <= a->len + more)
		room *= 2;
	if (room > MAX_ONE)
		return -EFBIG;
	if (atomic64_add_return(room - a->room, &all_room) > MAX_ALL)
		goto none;
	text = kvmalloc(room, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!text)
		goto none;
	if (a->len)
		memcpy(text, a->text, a->len);
	kvfree(a->text);
	a->text = text;
	a->room = room;
	return 0;
none:
	atomic64_sub(room - a->room, &all_room);
	return -ENOMEM;
}

static struct answer *answer_new(void)
{
	struct answer *a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);

	if (!a)
		return NULL;
	kref_init(&a->ref);
	a->prefix = "";
	if (!grow(a, 0))
		return a;
	answer_put(a);
	return NULL;
}

__printf(2, 0) static void add(struct answer *a, const char *fmt, va_list args)
{
	va_list again;
	size_t n;

	if (a->rc)
		return;
	va_copy(again, args);
	n = vsnprintf(a->text + a->len, a->room - a->len, fmt, again);
	va_end(again);
	if (n >= a->room - a->len) {
		a->rc = grow(a, n);
		if (a->rc)
			return;
		vsnprintf(a->text + a->len, a->room - a->len, fmt, args);
	}
	a->len += n;
}

void answer_add(struct answer *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(a, fmt, args);
	va_end(args);
}

bool answer_full(const struct answer *a)
{
	return a->rc;
}

size_t answer_length(const struct answer *a)
{
	return a->len;
}

void answer_cut(struct answer *a, size_t length)
{
	a->len = length;
}

int answer_fail(struct answer *a, int rc, const char *fmt, ...)
{
	va_list args;

	a->rc = 0;
	a->len = 0;
	va_start(args, fmt);
	add(a, fmt, args);
	va_end(args);
	return rc;
}

void answer_log_prefix(struct answer *a, const char *prefix)
{
	a->prefix = prefix;
}

static void answer_log(const struct answer *a)
{
	const char *at = a->text, *end = at + a->len, *line_end;

	for (; at < end && !fatal_signal_pending(current); at = line_end + 1) {
		line_end = memchr(at, '\n', end - at);
		if (!line_end)
			line_end = end;
		pr_info("%s%.*s\n", a->prefix, (int)(line_end - at), at);
		cond_resched();
	}
}

/* -------- an open file -------- */

struct asker {
	struct answer_file *file;
	struct mutex lock;   /* of all below */
	struct answer *mine; /* or, when nothing was asked, what was the last when reading began */
	size_t at;           /* in it */
	void *kept;          /* run()'s */
};

static int asker_open(struct inode *inode, struct file *file)
{
	struct asker *me;
	int rc = pw_may_look();

	if (rc)
		return rc;
	me = kzalloc(sizeof(*me), GFP_KERNEL_ACCOUNT);
	if (!me)
		return -ENOMEM;
	mutex_init(&me->lock);
	me->file = compat_pde_data(inode);
	file->private_data = me;
	return stream_open(inode, file);
}

static int asker_release(struct inode *inode, struct file *file)
{
	struct asker *me = file->private_data;

	if (me->kept)
		me->file->forget(me->kept);
	answer_put(me->mine);
	mutex_destroy(&me->lock);
	kfree(me);
	return 0;
}

/* -------- commands -------- */

/* The text of a write as a string without what surrounds it. */
static int get_line(char line[MAX_LINE + 1], const char __user *from, size_t n)
{
	size_t i;

	if (!n)
		return -EINVAL;
	if (n > MAX_LINE)
		return -E2BIG;
	if (copy_from_user(line, from, n))
		return -EFAULT;
	if (line[n - 1] == '\n')
		n--;
	line[n] = 0;
	for (i = 0; i < n; i++)
		if (line[i] != '\t' && !(isascii(line[i]) && isprint(line[i])))
			return -EINVAL;
	return 0;
}

static int split(char *line, char *words[ANSWER_WORDS])
{
	unsigned int n = 0;
	char *word;

	memset(words, 0, ANSWER_WORDS * sizeof(*words));
	while ((word = strsep(&line, " \t"))) {
		if (!*word)
			continue;
		if (n == ANSWER_WORDS)
			return -EINVAL;
		words[n++] = word;
	}
	return n ? 0 : -EINVAL;
}

/* Makes it what this descriptor reads, and those that have asked nothing. */
static void publish(struct asker *me, struct answer *a)
{
	struct answer *old;

	answer_put(me->mine);
	me->mine = a;
	me->at = 0;
	kref_get(&a->ref);
	mutex_lock(&me->file->lock);
	old = me->file->last;
	me->file->last = a;
	mutex_unlock(&me->file->lock);
	answer_put(old);
}

static int run(struct asker *me, char *line)
{
	char copy[MAX_LINE + 1], *words[ANSWER_WORDS];
	struct answer *a;
	int rc;

	strscpy(copy, line, sizeof(copy));
	rc = split(line, words);
	if (rc)
		return rc;
	a = answer_new();
	if (!a)
		return -ENOMEM;
	rc = me->file->run(words, a, &me->kept);
	if (a->rc == -EFBIG)
		rc = answer_fail(a, -EFBIG, "the answer is longer than %u MiB\n", MAX_ONE >> 20);
	else if (a->rc)
		rc = answer_fail(a, a->rc, "%s", "");
	if (rc && !a->len) {
		answer_put(a);
		return rc;
	}
	if (log_answers && me->file->announce)
		pr_info("[%s] Got command: %s\n", me->file->name, copy);
	if (log_answers)
		answer_log(a);
	publish(me, a);
	return rc;
}

static ssize_t asker_write(struct file *file, const char __user *from, size_t n, loff_t *pos)
{
	struct asker *me = file->private_data;
	char line[MAX_LINE + 1];
	int rc = pw_may_look();

	if (!rc)
		rc = get_line(line, from, n);
	if (rc)
		return rc;
	if (mutex_lock_killable(&me->lock))
		return -EINTR;
	rc = run(me, line);
	mutex_unlock(&me->lock);
	return rc ? rc : n;
}

/* -------- answers -------- */

static struct answer *last_answer(struct answer_file *file)
{
	struct answer *a;

	mutex_lock(&file->lock);
	a = file->last;
	if (a)
		kref_get(&a->ref);
	mutex_unlock(&file->lock);
	return a;
}

static ssize_t asker_read(struct file *file, char __user *to, size_t n, loff_t *pos)
{
	struct asker *me = file->private_data;
	ssize_t rc = pw_may_look();

	if (rc)
		return rc;
	if (mutex_lock_killable(&me->lock))
		return -EINTR;
	if (!me->mine)
		me->mine = last_answer(me->file);
	if (!me->mine)
		goto out;
	rc = min(n, me->mine->len - me->at);
	if (copy_to_user(to, me->mine->text + me->at, rc))
		rc = -EFAULT;
	else
		me->at += rc;
out:
	mutex_unlock(&me->lock);
	return rc;
}

/* -------- the file -------- */

static const struct proc_ops answer_ops = {
	.proc_open = asker_open,
	.proc_release = asker_release,
	.proc_read = asker_read,
	.proc_write = asker_write,
};

int answer_file_start(struct answer_file *file)
{
	mutex_init(&file->lock);
	return proc_create_data(file->name, 0600, NULL, &answer_ops, file) ? 0 : -ENOMEM;
}

/* proc calls release() of what is still open before this returns. */
void answer_file_stop(struct answer_file *file)
{
	remove_proc_entry(file->name, NULL);
	answer_put(file->last);
	file->last = NULL;
}
