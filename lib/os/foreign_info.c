// SPDX-License-Identifier: LGPL-2.1-or-later
/* How what is known of a system that was found in its memory is known, and how sure that is. */
#include <inttypes.h>
#include <string.h>

#include "facts.h"
#include "os/foreign.h"
#include "os/process.h"

const char *pw_foreign_how(struct pw_target *t, enum pw_fact_id id, enum pw_sure *sure)
{
	const struct pw_foreign_os *os = t->os_priv;
	bool told = os->k.info.text;

	switch (id) {
	case PW_FACT_SYSTEM:
		return told ? "VMCOREINFO (OSRELEASE)" : os->banner[0] ? "the banner in the kernel's data" : "";
	case PW_FACT_PAGING:
		*sure = os->given_depth                     ? PW_SURE_GIVEN
			: os->why.code && !os->hints->depth ? PW_SURE_NOT
							    : PW_SURE_CERTAIN;
		return os->how_mode;
	case PW_FACT_MAXPHYADDR:
		*sure = PW_SURE_NOT;
		return "an image does not say: the most there can be";
	case PW_FACT_PAGE_OFFSET:
		return "the one distance at which most memory is mapped, this root table too";
	case PW_FACT_KERNEL_ROOT:
		*sure = os->given_root ? PW_SURE_GIVEN : PW_SURE_CERTAIN;
		return os->how_root;
	case PW_FACT_KASLR:
		*sure = told ? PW_SURE_CERTAIN : PW_SURE_LIKELY;
		return told ? "VMCOREINFO (KERNELOFFSET)"
			    : "where the image is mapped, if it was built for 0xffffffff81000000";
	case PW_FACT_PTI:
		*sure = os->looked_at ? PW_SURE_CERTAIN : PW_SURE_NOT;
		return os->looked_at ? "whether user entries of processes' roots have NX" : "no process to look at";
	case PW_FACT_SOFTWARE_BITS:
	case PW_FACT_NUM:
		break;
	}
	return "";
}

static int count_task(void *ctx, const struct pw_foreign_task *task)
{
	unsigned *n = ctx;

	n[task->flags & PW_PF_KTHREAD ? 1 : 0]++;
	return 0;
}

void pw_foreign_facts(struct pw_target *t, struct pw_facts_list *list)
{
	struct pw_foreign_os *os = t->os_priv;
	const char *list_is = "its list of tasks, from the first one on";
	unsigned n[2] = { 0, 0 };
	int rc;

	pw_fact_add(list, "cpus", PW_SURE_CERTAIN, "whose registers are known", "%zu", os->hints->ncpus);
	if (os->why.code) {
		pw_fact_add(list, "kernel", PW_SURE_NOT, os->why.text, "-");
		return;
	}
	if (os->banner[0])
		pw_fact_add(list, "build", PW_SURE_CERTAIN, "the banner in the kernel's data", "%s",
			    strstr(os->banner, ") #") + 2);
	pw_fact_add(list, "direct-map", PW_SURE_CERTAIN, "what is mapped there", "%" PRIu64 " MiB",
		    os->half.direct_bytes >> 20);
	pw_fact_add(list, "phys-base", PW_SURE_CERTAIN,
		    os->k.info.text ? "VMCOREINFO (phys_base)" : "where the image is mapped", "0x%" PRIx64,
		    os->k.info.phys_base);
	pw_fact_add(list, "types", os->given_btf ? PW_SURE_GIVEN : PW_SURE_CERTAIN,
		    os->given_btf ? "the file that was given" : "the BTF in the kernel's read-only data", "BTF");
	pw_fact_add(list, "first-task", PW_SURE_CERTAIN, "in the kernel's data: PID 0, head of a list that comes back",
		    "0x%" PRIx64, os->init_task);
	pw_foreign_witness_facts(t, list);
	rc = pw_foreign_tasks(os, count_task, n);
	pw_fact_add(list, "processes", rc ? PW_SURE_LIKELY : PW_SURE_CERTAIN,
		    rc ? "its list of tasks, which is broken" : list_is, "%u, and %u kernel threads", n[0], n[1]);
}
