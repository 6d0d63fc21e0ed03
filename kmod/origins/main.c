// SPDX-License-Identifier: GPL-2.0-only
/*
 * pagewalk_origins.ko: files under the names and in the forms of the projects that Pagewalk grew from, on top of
 * pagewalk.ko. To load it is to want them.
 */
#include <linux/kernel.h>
#include <linux/module.h>

#include "origins.h"

static const struct origin {
	int (*start)(void);
	void (*stop)(void);
} origins[] = {
	{ vm_hacks_start, vm_hacks_stop },
	{ mtest_start, mtest_stop },
	{ pagetable_start, pagetable_stop },
	{ intel_pagetables_start, intel_pagetables_stop },
};

static void stop(unsigned int n)
{
	while (n--)
		origins[n].stop();
}

static int __init origins_init(void)
{
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		rc = origins[i].start();
		if (rc) {
			stop(i);
			return rc;
		}
	}
	return 0;
}
module_init(origins_init);

static void __exit origins_exit(void)
{
	stop(ARRAY_SIZE(origins));
}
module_exit(origins_exit);

MODULE_DESCRIPTION("The interfaces of the projects that Pagewalk grew from");
MODULE_AUTHOR("The Pagewalk authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
