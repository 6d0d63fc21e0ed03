/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* decode: a raw value, as an entry of each level, and bit by bit. */
#include "bits.h"
#include "text.h"

static const struct pw_rec_decoded *dec_of(const void *rec)
{
	return rec;
}

static void c_level(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_level_name(dec_of(rec)->entry.level));
}

static void c_kind(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_kind_name(dec_of(rec)->entry.kind));
}

static void c_pa(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, dec_of(rec)->entry.pa, false);
}

static void c_size(struct pw_render *r, const void *rec)
{
	const struct pw_entry *e = &dec_of(rec)->entry;

	if (r->bytes)
		pw_out_dec(r->out, e->size);
	else
		pw_out_page_size(r->out, e->size);
}

static void c_own(struct pw_render *r, const void *rec)
{
	pw_text_own(r, &dec_of(rec)->entry);
}

static void c_bits(struct pw_render *r, const void *rec)
{
	pw_out_bits(r, dec_of(rec)->mmu, &dec_of(rec)->entry);
}

PW_COLUMNS(decode, { "level", "LEVEL", "read as an entry of that level", 0, .put = c_level },
	   { "kind", "KIND", "none, table, leaf, protnone or soft", 0, .put = c_kind },
	   { "pa", "PA", "physical address that it points to", 0, .put = c_pa },
	   { "size", "SIZE", "bytes that it covers", 0, true, .put = c_size },
	   { "own", "OWN", "permissions by its own bits", 0, .put = c_own },
	   { "bits", "BITS", "what else the bits say", 0, .put = c_bits });

/* "63", or "62:59" for a field */
static void bit_numbers(struct pw_out *o, uint64_t mask)
{
	unsigned lo = (unsigned)__builtin_ctzll(mask), hi = 63 - (unsigned)__builtin_clzll(mask);

	pw_out_dec(o, hi);
	if (hi != lo) {
		pw_out_char(o, ':');
		pw_out_dec(o, lo);
	}
}

static void bit_line(struct pw_render *r, uint64_t mask, const char *name, const char *doc)
{
	struct pw_out *o = r->out;
	size_t start;

	pw_out_room(o, PW_OUT_ROW);
	pw_out_str(o, "  ");
	start = o->len;
	bit_numbers(o, mask);
	pw_out_pad(o, o->len - start < 7 ? 7 - (o->len - start) : 1);
	start = o->len;
	pw_out_str(o, name);
	pw_out_pad(o, o->len - start < 13 ? 13 - (o->len - start) : 1);
	pw_out_str(o, doc);
	pw_out_char(o, '\n');
}

/* Highest bit first. */
static void attr_lines(struct pw_render *r, const struct pw_rec_decoded *d)
{
	const struct pw_arch *arch = d->mmu->arch;
	uint64_t left = d->entry.attrs;

	while (left) {
		const struct pw_attr *best = NULL;
		size_t at = 0;

		for (size_t i = 0; i < arch->nattrs; i++) {
			const struct pw_attr *a = &arch->attrs[i];
			uint64_t mask = a->mask ? a->mask : d->mmu->enc_mask;

			if (left & UINT64_C(1) << i && (!best || mask > (best->mask ? best->mask : d->mmu->enc_mask))) {
				best = a;
				at = i;
			}
		}
		bit_line(r, best->mask ? best->mask : d->mmu->enc_mask, best->name, best->doc);
		left &= ~(UINT64_C(1) << at);
	}
}

static void other_lines(struct pw_render *r, const struct pw_rec_decoded *d)
{
	const struct pw_entry *e = &d->entry;
	const char *memtype = pw_memtype_name(d->mmu, e);
	struct pw_out *o = r->out;
	uint64_t left = e->reserved;

	for (; left; left &= left - 1)
		bit_line(r, left & -left, "RESERVED", "must be 0: the CPU faults on this entry");
	if (e->has_swap) {
		pw_out_str(o, "  swap type ");
		pw_out_dec(o, e->swap_type);
		pw_out_str(o, ", offset 0x");
		pw_out_hex(o, e->swap_offset);
		pw_out_char(o, '\n');
	}
	if (e->pa != PW_PA_NONE) {
		pw_out_str(o, e->kind == PW_TABLE ? "  next table 0x" : "  page 0x");
		pw_out_hex(o, e->pa);
		pw_out_char(o, '\n');
	}
	if (pw_has_key(d->mmu, e)) {
		pw_out_str(o, "  protection key ");
		pw_out_dec(o, e->key);
		pw_out_char(o, '\n');
	}
	if (memtype) {
		pw_out_str(o, "  memory type ");
		pw_out_str(o, memtype);
		pw_out_char(o, '\n');
	}
}

void pw_text_decoded(struct pw_render *r, const struct pw_rec_decoded *d)
{
	struct pw_out *o = r->out;

	if (!d->explain) {
		if (pw_text_table(r))
			pw_table_add(r, r->table, d);
		return;
	}
	if (r->table)
		pw_table_print(r, r->table);
	pw_out_room(o, PW_OUT_ROW);
	if (r->any)
		pw_out_char(o, '\n');
	r->any = true;
	pw_out_str(o, d->guessed ? "most likely a " : "as a ");
	pw_out_str(o, pw_level_name(d->entry.level));
	pw_out_str(o, " entry, ");
	pw_out_str(o, d->entry.kind == PW_NONE ? "empty" : pw_kind_name(d->entry.kind));
	pw_out_str(o, ":\n");
	attr_lines(r, d);
	pw_out_room(o, PW_OUT_ROW);
	other_lines(r, d);
}
