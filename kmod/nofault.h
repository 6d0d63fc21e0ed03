/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Single accesses to kernel memory that end with -EFAULT where the kernel has no right to them. Of what the kernel has
 * for that, the function that writes is not exported.
 */
#ifndef PAGEWALK_NOFAULT_H
#define PAGEWALK_NOFAULT_H

#include <linux/uaccess.h>

#define PW_PUT(type, to, from, label) __put_kernel_nofault(to, from, type, label)
#define PW_GET(type, to, from, label) __get_kernel_nofault(to, from, type, label)

/* The widest access that fits an address and what is left. */
static inline unsigned int pw_width(u64 pa, u64 left)
{
	unsigned int width = 8;

	while (width > left || pa % width)
		width /= 2;
	return width;
}

static inline int pw_get_nofault(void *to, const void *from, unsigned int width)
{
	pagefault_disable();
	switch (width) {
	case 1:
		PW_GET(u8, to, from, fault);
		break;
	case 2:
		PW_GET(u16, to, from, fault);
		break;
	case 4:
		PW_GET(u32, to, from, fault);
		break;
	default:
		PW_GET(u64, to, from, fault);
	}
	pagefault_enable();
	return 0;
fault:
	pagefault_enable();
	return -EFAULT;
}

static inline int pw_put_nofault(void *to, const void *from, unsigned int width)
{
	pagefault_disable();
	switch (width) {
	case 1:
		PW_PUT(u8, to, from, fault);
		break;
	case 2:
		PW_PUT(u16, to, from, fault);
		break;
	case 4:
		PW_PUT(u32, to, from, fault);
		break;
	default:
		PW_PUT(u64, to, from, fault);
	}
	pagefault_enable();
	return 0;
fault:
	pagefault_enable();
	return -EFAULT;
}

#endif
