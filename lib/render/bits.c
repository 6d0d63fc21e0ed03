/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bits.h"
#include "entry.h"

const char *pw_memtype_name(const struct pw_mmu *mmu, const struct pw_entry *e)
{
	const char *const *names = mmu->arch->memtypes;

	if (e->memtype == 0xff || !names)
		return NULL;
	for (unsigned i = 0; names[i]; i++)
		if (i == e->memtype)
			return names[i];
	return NULL;
}

bool pw_has_key(const struct pw_mmu *mmu, const struct pw_entry *e)
{
	return e->key || (e->kind == PW_LEAF && e->memtype != 0xff && mmu->half == PW_HALF_USER && e->perm & PW_U);
}

static void word(struct pw_out *o, size_t start, const char *s)
{
	if (o->len > start)
		pw_out_char(o, ' ');
	pw_out_str(o, s);
}

static void swap_words(struct pw_render *r, size_t start, const struct pw_entry *e)
{
	word(r->out, start, "type ");
	pw_out_dec(r->out, e->swap_type);
	pw_out_str(r->out, " offset 0x");
	pw_form_hex(r, PW_N_OFFSET, e->swap_offset, 1);
}

void pw_out_bits(struct pw_render *r, const struct pw_mmu *mmu, const struct pw_entry *e)
{
	const char *memtype = pw_memtype_name(mmu, e);
	struct pw_out *o = r->out;
	size_t start = o->len;

	if (e->has_swap)
		swap_words(r, start, e);
	for (size_t i = 0; i < mmu->arch->nattrs; i++) {
		const struct pw_attr *a = &mmu->arch->attrs[i];

		if (e->attrs & UINT64_C(1) << i && a->brief)
			word(o, start, a->brief);
	}
	if (pw_has_key(mmu, e)) {
		word(o, start, "key=");
		pw_out_dec(o, e->key);
	}
	if (memtype)
		word(o, start, memtype);
	if (e->reserved) {
		word(o, start, "RESERVED=0x");
		pw_out_hex(o, e->reserved);
	}
}

void pw_out_flags(struct pw_render *r, const struct pw_mmu *mmu, const struct pw_entry *e)
{
	struct pw_out *o = r->out;
	size_t start = o->len;

	if (e->has_swap)
		swap_words(r, start, e);
	for (size_t i = 0; i < mmu->arch->nattrs; i++)
		if (e->attrs & UINT64_C(1) << i)
			word(o, start, mmu->arch->attrs[i].name);
	if (e->key) {
		word(o, start, "key=");
		pw_out_dec(o, e->key);
	}
	if (e->reserved) {
		word(o, start, "RESERVED=0x");
		pw_out_hex(o, e->reserved);
	}
}

void pw_json_attrs(struct pw_json *j, const struct pw_mmu *mmu, uint64_t attrs)
{
	pw_json_begin(j, "attrs", '[');
	for (size_t i = 0; i < mmu->arch->nattrs; i++)
		if (attrs & UINT64_C(1) << i)
			pw_json_str(j, NULL, mmu->arch->attrs[i].name);
	pw_json_end(j, ']');
}

void pw_json_bits(struct pw_render *r, struct pw_json *j, const struct pw_mmu *mmu, const struct pw_entry *e)
{
	const char *memtype = pw_memtype_name(mmu, e);

	pw_json_attrs(j, mmu, e->attrs);
	if (pw_has_key(mmu, e))
		pw_json_num(j, "key", e->key);
	if (memtype)
		pw_json_str(j, "memtype", memtype);
	if (e->has_swap) {
		pw_json_begin(j, "swap", '{');
		pw_json_num(j, "type", e->swap_type);
		pw_json_key(j, "offset");
		pw_form_dec(r, PW_N_OFFSET, e->swap_offset);
		pw_json_end(j, '}');
	}
	if (e->reserved)
		pw_json_hex(j, "reserved", e->reserved);
}

void pw_json_perm(struct pw_json *j, const char *key, unsigned perm)
{
	char text[5];

	pw_json_str(j, key, perm == PW_PERM_UNKNOWN ? NULL : pw_perm_text(perm, text));
}
