// SPDX-License-Identifier: GPL-2.0-only
/* INFO and ROOT: what the machine is, and where trees of tables begin. */
#include <linux/sched/mm.h>

#include "arch.h"
#include "compat.h"
#include "local.h"

int pw_info(struct pw_file *f, void *arg)
{
	struct pagewalk_info *info = arg;

	if (info->flags)
		return -EINVAL;
	info->abi = PAGEWALK_ABI;
	info->features = 0;
	if (pw_writable)
		info->features |= PAGEWALK_FEATURE_WRITABLE;
	if (compat_has_vmalloc_huge())
		info->features |= PAGEWALK_FEATURE_VMALLOC_HUGE;
	return arch_info(info);
}

static int root_of_mm(struct pw_file *f, struct pagewalk_root *r)
{
	struct mm_struct *mm;

	if (r->what == PAGEWALK_ROOT_PID) {
		mm = pw_mm_of_pid(r->id);
	} else {
		mm = current->mm;
		if (mm)
			mmgrab(mm);
	}
	if (!mm)
		return -ESRCH;
	r->root = arch_root(mm);
	if (r->flags & PAGEWALK_ROOT_PIN)
		r->pin = pw_pin_add(f, mm);
	mmdrop(mm);
	return 0;
}

int pw_root(struct pw_file *f, void *arg)
{
	struct pagewalk_root *r = arg;
	bool has_id = r->what == PAGEWALK_ROOT_PID || r->what == PAGEWALK_ROOT_CPU;
	bool has_mm = r->what == PAGEWALK_ROOT_PID || r->what == PAGEWALK_ROOT_SELF;
	int rc;

	if ((r->flags & ~PAGEWALK_ROOT_PIN) || (r->flags && !has_mm) || (r->id && !has_id))
		return -EINVAL;
	r->pin = 0;
	switch (r->what) {
	case PAGEWALK_ROOT_SELF:
	case PAGEWALK_ROOT_PID:
		rc = root_of_mm(f, r);
		break;
	case PAGEWALK_ROOT_KERNEL:
		r->root = arch_kernel_root();
		rc = r->root == PAGEWALK_NONE ? -ENODATA : 0;
		break;
	case PAGEWALK_ROOT_CPU:
		rc = arch_cpu_root(r->id, &r->root);
		break;
	default:
		rc = -EINVAL;
	}
	if (!rc)
		r->user_root = arch_user_root(r->root);
	return rc;
}
