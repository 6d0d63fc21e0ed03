// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is known of a target, as a list for people: each with how it was found and how sure that is. */
#include "facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/image.h"

const char *pw_sure_name(enum pw_sure sure)
{
	static const char *const names[] = { "given", "certain", "likely", "unknown" };

	return names[sure];
}

void pw_fact_add(struct pw_facts_list *list, const char *name, enum pw_sure sure, const char *how, const char *fmt, ...)
{
	struct pw_fact *v = reallocarray(list->v, list->n + 1, sizeof(*v));
	va_list args;

	if (!v) {
		list->failed = true;
		return;
	}
	list->v = v;
	v += list->n++;
	*v = (struct pw_fact){ .name = name, .sure = sure, .how = how };
	va_start(args, fmt);
	vsnprintf(v->value, sizeof(v->value), fmt, args);
	va_end(args);
}

static const char *how(struct pw_target *t, enum pw_fact_id id, enum pw_sure *sure)
{
	*sure = PW_SURE_CERTAIN;
	return t->os->how ? t->os->how(t, id, sure) : "";
}

static void add_address(struct pw_facts_list *list, struct pw_target *t, enum pw_fact_id id, const char *name,
			uint64_t value)
{
	enum pw_sure sure;
	const char *text = how(t, id, &sure);

	if (value == PW_PA_NONE)
		pw_fact_add(list, name, PW_SURE_NOT, "", "-");
	else
		pw_fact_add(list, name, sure, text, "0x%" PRIx64, value);
}

static void add_text(struct pw_facts_list *list, struct pw_target *t, enum pw_fact_id id, const char *name,
		     const char *value)
{
	enum pw_sure sure;
	const char *text = how(t, id, &sure);

	pw_fact_add(list, name, sure, text, "%s", value);
}

static void add_ram(struct pw_facts_list *list, struct pw_target *t)
{
	const struct pw_range *ram = NULL;
	uint64_t bytes = 0;
	size_t n = 0;

	if (!t->source.ops->ranges || t->source.ops->ranges(&t->source, &ram, &n) || !n)
		return;
	for (size_t i = 0; i < n; i++)
		bytes += ram[i].last - ram[i].lo + 1;
	pw_fact_add(list, "ram", PW_SURE_CERTAIN, "what the source can read",
		    "%" PRIu64 " MiB in %zu range%s, up to 0x%" PRIx64, bytes >> 20, n, n == 1 ? "" : "s",
		    ram[n - 1].last);
}

static void add_mmu(struct pw_facts_list *list, struct pw_target *t)
{
	const struct pw_mmu *mmu = &t->mmu[PW_HALF_KERNEL];
	enum pw_sure sure;
	char text[64];

	snprintf(text, sizeof(text), "%s, %" PRIu64 " levels", mmu->arch->name, t->facts.mode_depth);
	add_text(list, t, PW_FACT_PAGING, "paging", text);
	snprintf(text, sizeof(text), "%u", mmu->maxphyaddr);
	add_text(list, t, PW_FACT_MAXPHYADDR, "physical-address-bits", text);
	how(t, PW_FACT_SOFTWARE_BITS, &sure);
	if (mmu->dialect_evidence)
		pw_fact_add(list, "software-bits", sure, mmu->dialect_evidence, "known");
	else
		pw_fact_add(list, "software-bits", PW_SURE_NOT, "", "-");
	if (mmu->enc_mask)
		pw_fact_add(list, "encryption-mask", PW_SURE_CERTAIN, "", "0x%" PRIx64, mmu->enc_mask);
}

int pw_target_facts(struct pw_target *t, struct pw_facts_list *list, struct pw_error *err)
{
	const struct pw_facts *f = &t->facts;

	*list = (struct pw_facts_list){ 0 };
	if (t->os->look)
		t->os->look(t);
	pw_fact_add(list, "source", PW_SURE_CERTAIN, "", "%s", t->source.ops->name);
	pw_image_facts(t, list);
	pw_fact_add(list, "consistency", PW_SURE_CERTAIN, "", "%s", pw_consistency_name(t->source.consistency));
	add_text(list, t, PW_FACT_SYSTEM, "system", f->system);
	if (t->source.ops->caps & PW_CAP_TABLES) {
		add_mmu(list, t);
		add_address(list, t, PW_FACT_KERNEL_ROOT, "kernel-root", f->kernel_root);
		add_address(list, t, PW_FACT_PAGE_OFFSET, "page-offset", f->page_offset);
		add_address(list, t, PW_FACT_KASLR, "kaslr-offset", f->image_offset);
		add_text(list, t, PW_FACT_PTI, "pti", f->pti ? "on" : "off");
	}
	add_ram(list, t);
	if (t->os->facts)
		t->os->facts(t, list);
	if (!list->failed)
		return 0;
	free(list->v);
	return pw_error_set(err, -ENOMEM, "out of memory");
}
