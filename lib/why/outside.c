/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses that no VMA has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "why/why.h"

#define LOW       65536 /* below, an address is that of a null pointer and what is reached by one */
#define GAP_PAGES 256   /* stack_guard_gap, unless the kernel was booted with another */

/* -------- a stack that can grow -------- */

static bool grows_down(struct look *l, const struct pw_area *a)
{
	const struct pw_area *keep = l->area;
	bool grows;

	l->area = a;
	grows = pw_why_flag(l, PW_VMA_GROWSDOWN) || !strcmp(a->name, "[stack]");
	l->area = keep;
	return grows;
}

static bool stack_limit(struct look *l, uint64_t *limit)
{
	char text[64];

	if (!pw_why_status(l, "limits", "Max stack size", text, sizeof(text)))
		return false;
	*limit = strncmp(text, "unlimited", 9) ? strtoull(text, NULL, 10) : UINT64_MAX;
	return true;
}

/* below: the VMA below, or NULL. True: it was that. */
static bool stack_growth(struct look *l, const struct pw_area *stack, const struct pw_area *below)
{
	uint64_t page = l->t->va & ~UINT64_C(0xfff), grown = stack->last - page + 1, limit;
	bool limited = stack_limit(l, &limit);

	if (!grows_down(l, stack))
		return false;
	pw_why_says(l, "VMA above", "%s grows down", pw_why_area(stack).text);
	if (limited && limit == UINT64_MAX)
		pw_why_says(l, "/proc/PID/limits", "the stack may have any size; it would have %s",
			    pw_why_size(grown).text);
	else if (limited)
		pw_why_says(l, "/proc/PID/limits", "the stack may have %s; it would have %s", pw_why_size(limit).text,
			    pw_why_size(grown).text);
	if (grown > (limited ? limit : 8 << 20))
		return false;
	if (below && page - below->last - 1 < GAP_PAGES * UINT64_C(4096) && strncmp(below->perms, "---", 3)) {
		pw_why_set(l, PW_WHY_STACK_GUARD_GAP,
			   "the gap that is kept free between %s and %s below it: a touch is SIGSEGV", stack->name,
			   pw_why_area(below).text);
		return true;
	}
	pw_why_set(l, PW_WHY_STACK_GROWTH, "below %s, which grows down: a touch makes it %s larger", stack->name,
		   pw_why_size(stack->lo - page).text);
	return true;
}

/* -------- neighbours -------- */

void pw_why_outside(struct look *l)
{
	const struct pw_areas *areas = &l->space->areas;
	const struct pw_range *half = &l->t->piece->va;
	const struct pw_area *above = NULL, *below = NULL;
	uint64_t va = l->t->va;
	size_t i = 0;

	while (i < areas->n && areas->v[i].last < va)
		i++;
	if (i && areas->v[i - 1].lo >= half->lo)
		below = &areas->v[i - 1];
	if (i < areas->n && areas->v[i].last <= half->last)
		above = &areas->v[i];
	if (above && stack_growth(l, above, below))
		return;
	if (below)
		pw_why_says(l, "VMA below", "%s, %s below it", pw_why_area(below).text,
			    pw_why_size(va - below->last).text);
	if (above)
		pw_why_says(l, "VMA above", "%s, %s above it", pw_why_area(above).text,
			    pw_why_size(above->lo - va).text);
	pw_why_set(l, PW_WHY_OUTSIDE,
		   va < LOW ? "outside every VMA, near address 0: a null pointer, SIGSEGV"
			    : "outside every VMA: a touch is SIGSEGV");
}

/* -------- bits above the address -------- */

/*
 * Linear address masking: with LAM_U57 the CPU ignores bits 62:57 of a user address, with LAM_U48 bits 62:48; Linux has the first
 * (82721d8b25d7 ("x86/mm: Handle LAM on context switch"), v6.4). Bit 63 has to be 0, as that of the address without the tag. Almost
 * any number looks like the second, so there has to be a VMA for that one.
 */
static const struct {
	const char *name;
	uint64_t tag;
} lam[] = { { "LAM57", UINT64_C(0x3f) << 57 }, { "LAM48", UINT64_C(0x7fff) << 48 } };

static bool is_user(const struct look *l, uint64_t va)
{
	for (size_t i = 0; i < l->space->npieces; i++) {
		const struct pw_piece *p = &l->space->piece[i];

		if (p->mmu.half == PW_HALF_USER && p->va.lo <= va && va <= p->va.last)
			return true;
	}
	return false;
}

static void say_untag_mask(struct look *l)
{
	char text[40];

	if (pw_why_status(l, "status", "untag_mask", text, sizeof(text)))
		pw_why_says(l, "/proc/PID/status", "untag_mask %s: LAM is %s for this process", text,
			    strstr(text, "ffffffffffffffff") ? "off" : "on");
}

static void tagged(struct look *l, const char *name, uint64_t untagged)
{
	struct pw_translation t;
	int rc = pw_translate(l->space, &untagged, 1, &t);

	pw_why_says(l, name, "without its bits the address is 0x%llx", (unsigned long long)untagged);
	say_untag_mask(l);
	pw_why_set(l, PW_WHY_TAGGED, "not canonical, but tagged as with %s: 0x%llx", name,
		   (unsigned long long)untagged);
	if (rc)
		return;
	if (t.verdict == PW_MAPPED && t.pa != PW_PA_NONE)
		pw_why_add(l, "which is mapped to 0x%llx", (unsigned long long)t.pa);
	else
		pw_why_add(l, t.verdict == PW_MAPPED ? "which is mapped" : "which is not mapped (%s)",
			   pw_verdict_name(t.verdict));
}

void pw_why_non_canonical(struct look *l)
{
	const struct pw_mode *mode = l->space->piece[0].mmu.mode;
	uint64_t va = l->t->va, top = UINT64_C(1) << (mode->va_bits - 1);

	pw_why_says(l, "address", "bits 63 to %u are not all the same, as they have to be", mode->va_bits - 1);
	for (size_t i = 0; i < sizeof(lam) / sizeof(lam[0]) && !(va >> 63); i++) {
		uint64_t untagged = va & ~lam[i].tag;

		if (va & lam[i].tag && untagged >= LOW && is_user(l, untagged) &&
		    (!i || pw_areas_find(&l->space->areas, untagged))) {
			tagged(l, lam[i].name, untagged);
			return;
		}
	}
	pw_why_set(l, PW_WHY_NON_CANONICAL, "not canonical: %s paging has no addresses from 0x%llx to 0x%llx",
		   mode->name, (unsigned long long)top, (unsigned long long)~top);
}
