// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bugs on request, each of a kind that the debug kernel has to notice: `echo NAME >/sys/module/planted/parameters/plant`.
 * A debug kernel that stays silent here would stay silent about pagewalk.ko as well.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#define BYTES 64

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);
static int pointed_to;
static int __rcu *pointer = (int __rcu *)&pointed_to;

/* Two orders of two locks: a deadlock that is yet to happen. */
static void order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

/* Returns to user space with a lock. */
static void held(void)
{
	mutex_lock(&first);
}

/* An allocation that may sleep where nothing may. */
static void sleeping(void)
{
	void *p;

	spin_lock(&spin);
	p = kmalloc(BYTES, GFP_KERNEL);
	spin_unlock(&spin);
	kfree(p);
}

static void unprotected(void)
{
	READ_ONCE(*rcu_dereference(pointer));
}

/* Nothing keeps the address. */
static void leak(void)
{
	char *p = kmalloc(BYTES, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
}

static void out_of_bounds(void)
{
	char *p = kmalloc(BYTES, GFP_KERNEL);
	size_t at = BYTES;

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(at);
	READ_ONCE(p[at]);
	kfree(p);
}

static void after_free(void)
{
	char *p = kmalloc(BYTES, GFP_KERNEL);

	if (!p)
		return;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	READ_ONCE(p[0]);
}

static const struct {
	const char *name;
	void (*plant)(void);
} bugs[] = {
	{ "order", order },
	{ "held", held },
	{ "sleeping", sleeping },
	{ "unprotected", unprotected },
	{ "leak", leak },
	{ "out-of-bounds", out_of_bounds },
	{ "after-free", after_free },
};

static int plant(const char *text, const struct kernel_param *kp)
{
	for (size_t i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (sysfs_streq(text, bugs[i].name)) {
			bugs[i].plant();
			return 0;
		}
	}
	return -EINVAL;
}

static const struct kernel_param_ops plant_ops = { .set = plant };

module_param_cb(plant, &plant_ops, NULL, 0200);
MODULE_PARM_DESC(plant, "name of the bug to have now");

static int __init planted_init(void)
{
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("Bugs that a debug kernel must notice; for tests in guests only");
MODULE_LICENSE("GPL");
