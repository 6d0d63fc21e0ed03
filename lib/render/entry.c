/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "entry.h"

/* What the entries of one span have in common. */
struct span_of {
	const struct pw_span *span;
	const struct pw_mode_level *lv;
	pw_row_fn fn;
	struct pw_leaf_format fmt;
	unsigned pa_shift;  /* from the format's unit to bytes */
	unsigned va_digits; /* at least; 0 where numbers are not padded */
	uint64_t shape;     /* of the entries that are being looked at, without raw and pa */

	/* The form of all plain leaves of that shape with these flags and a pa in this range; n 0: of none. */
	const struct pw_form *form;
	uint64_t bits, pa, n;
};

static void span_init(struct pw_render *r, struct span_of *s, const struct pw_span *span, pw_row_fn fn)
{
	const struct pw_mmu *mmu = &span->piece->mmu;

	*s = (struct span_of){ .span = span, .fn = fn, .va_digits = r->va_digits };
	s->lv = &mmu->mode->lv[span->depth];
	mmu->arch->leaf_format(mmu, span->level, &s->fmt);
	if (s->fmt.leaf_mask)
		s->pa_shift = span->shift - (unsigned)__builtin_ctzll(s->fmt.pa_step);
	if (s->pa_shift % 4) /* the number of raw's digits would not follow from pa's */
		s->fmt.leaf_mask = 0;
}

static inline uint64_t va_of(const struct span_of *s, size_t i)
{
	return s->span->va + ((uint64_t)i << s->span->shift);
}

static inline uint64_t slot_of(const struct span_of *s, size_t i)
{
	return s->span->slot_pa == PW_PA_NONE ? PW_PA_NONE : s->span->slot_pa + i * sizeof(uint64_t);
}

static inline uint64_t table_of(const struct pw_mode_level *lv, uint64_t slot_pa)
{
	return slot_pa & ~((UINT64_C(8) << lv->bits) - 1);
}

static void decode(struct pw_rec_entry *rec, enum pw_level level, uint64_t raw, uint8_t perm_above)
{
	const struct pw_mmu *mmu = &rec->piece->mmu;

	mmu->arch->decode(mmu, level, raw, &rec->e);
	if (rec->e.perm == PW_PERM_UNKNOWN)
		rec->perm = PW_PERM_UNKNOWN;
	else
		rec->perm = rec->e.hw && !rec->e.reserved ? rec->e.perm & perm_above : 0;
}

static void decode_of_span(struct pw_render *r, const struct span_of *s, size_t i, struct pw_rec_entry *rec)
{
	*rec = (struct pw_rec_entry){
		.piece = s->span->piece,
		.va = va_of(s, i),
		.slot_pa = slot_of(s, i),
		.depth = s->span->depth,
	};
	decode(rec, s->span->level, s->span->raw[i], s->span->perm_above);
	if (rec->e.kind == PW_LEAF && rec->e.pa == PW_PA_NONE)
		r->hidden = true;
}

/* Beside its flags: whose permissions it has, and how many digits its numbers. */
static uint64_t shape_of(const struct span_of *s, size_t i)
{
	uint64_t va = va_of(s, i), slot_pa = slot_of(s, i);
	unsigned va_digits = pw_hex_count(va);
	uint64_t shape = s->span->level << 8 | s->span->perm_above;

	shape = shape << 5 | (va_digits > s->va_digits ? va_digits : s->va_digits);
	shape = shape << 5 | (slot_pa == PW_PA_NONE ? 0 : pw_hex_count(slot_pa));
	shape = shape << 5 | pw_hex_count(table_of(s->lv, slot_pa));
	return shape << 3 | pw_dec_count(pw_index(s->lv, va));
}

/*
 * Sets the shape for entry i and returns where another one begins. Addresses and indices only rise within a table, so
 * what has the same shape at both ends has it in between.
 */
static size_t stretch(struct span_of *s, size_t i)
{
	size_t left = (UINT64_C(1) << s->lv->bits) - pw_index(s->lv, va_of(s, i));
	size_t last = (left < s->span->n - i ? i + left : s->span->n) - 1;

	s->shape = shape_of(s, i);
	s->n = 0;
	while (shape_of(s, last) != s->shape)
		last = i + (last - i) / 2;
	return last + 1;
}

/* One whose text depends on its flags and its frame alone, which is in pa. */
static inline bool is_plain_leaf(const struct span_of *s, uint64_t raw, uint64_t pa)
{
	uint64_t frame = raw & s->fmt.pa_mask;

	return s->fmt.leaf_mask && (raw & s->fmt.leaf_mask) == s->fmt.leaf_value && pa >> s->pa_shift == frame;
}

/* Those of the form's shape differ in nothing but numbers; how many digits raw has follows from its flags and pa. */
static void use_form(struct span_of *s, const struct pw_form *f, uint64_t bits, uint64_t pa)
{
	unsigned shift = 4 * (pw_hex_count(pa) - 1);

	s->form = f;
	s->bits = bits;
	s->pa = shift ? UINT64_C(1) << shift : 0;
	s->n = (UINT64_C(15) << shift) + !shift;
}

static inline bool is_of_form(const struct span_of *s, uint64_t bits, uint64_t pa)
{
	return bits == s->bits && pa - s->pa < s->n;
}

static inline void numbers_of(const struct span_of *s, size_t i, uint64_t pa, uint64_t swap_offset,
			      uint64_t number[PW_ENTRY_NUMBERS])
{
	uint64_t va = va_of(s, i), slot_pa = slot_of(s, i);

	number[PW_N_VA] = va;
	number[PW_N_SLOT] = slot_pa;
	number[PW_N_TABLE] = table_of(s->lv, slot_pa);
	number[PW_N_INDEX] = pw_index(s->lv, va);
	number[PW_N_RAW] = s->span->raw[i];
	number[PW_N_PA] = pa;
	number[PW_N_OFFSET] = swap_offset;
}

static inline void put_by_form(struct pw_render *r, const struct span_of *s, const struct pw_form *f, size_t i,
			       uint64_t pa)
{
	uint64_t number[PW_ENTRY_NUMBERS];

	numbers_of(s, i, pa, 0, number);
	pw_form_put(r->out, f, number);
}

static const struct pw_area *area_of(struct pw_render *r, const struct span_of *s, size_t i)
{
	return r->columns.by_area ? pw_render_area(r, va_of(s, i)) : NULL;
}

static void put_plain_leaf(struct pw_render *r, struct span_of *s, size_t i, uint64_t bits, uint64_t pa)
{
	const struct pw_form_key key = {
		.piece = s->span->piece,
		.area = area_of(r, s, i),
		.bits = bits,
		.shape = s->shape << 5 | pw_hex_count(pa),
	};
	struct pw_form *f = pw_form_find(r->forms, &key);
	struct pw_rec_entry rec;

	if (f->len) {
		put_by_form(r, s, f, i, pa);
	} else {
		decode_of_span(r, s, i, &rec);
		pw_form_begin(r, f, &key);
		s->fn(r, &rec);
		pw_form_end(r);
	}
	s->n = 0;
	if (f->len && !r->columns.by_area)
		use_form(s, f, bits, pa);
}

/* All that a decoded entry says but numbers and attrs. Never 0. */
static uint64_t all_of(const struct pw_entry *e)
{
	uint64_t all = 1 << 2 | e->has_swap << 1 | e->hw;

	all = all << 3 | e->kind;
	all = all << 6 | (unsigned)__builtin_ctzll(e->size);
	all = all << 8 | e->perm;
	all = all << 8 | e->key;
	all = all << 8 | e->memtype;
	all = all << 8 | e->swap_type;
	all = all << 5 | pw_hex_count(e->raw);
	all = all << 5 | pw_hex_count(e->swap_offset);
	return all << 5 | pw_dec_count(e->swap_offset);
}

static void put_decoded(struct pw_render *r, struct span_of *s, size_t i)
{
	uint64_t number[PW_ENTRY_NUMBERS];
	struct pw_rec_entry rec;
	struct pw_form_key key;

	decode_of_span(r, s, i, &rec);
	if (rec.e.reserved) { /* one more number, and rare */
		s->fn(r, &rec);
		return;
	}
	key = (struct pw_form_key){
		.piece = s->span->piece,
		.area = area_of(r, s, i),
		.bits = rec.e.attrs,
		.shape = s->shape << 5 | (rec.e.pa == PW_PA_NONE ? 0 : pw_hex_count(rec.e.pa)),
		.more = all_of(&rec.e),
	};
	numbers_of(s, i, rec.e.pa, rec.e.swap_offset, number);
	pw_form_row(r, &key, number, s->fn, &rec);
	if (r->forms->last == s->form) /* that one gave way */
		s->n = 0;
}

void pw_entries_of_span(struct pw_render *r, const struct pw_span *span, pw_row_fn fn)
{
	size_t i = 0, end;
	struct span_of s;

	if (!pw_forms_of(r))
		return;
	span_init(r, &s, span, fn);
	while (i < span->n && pw_render_alive(r)) {
		for (end = stretch(&s, i); i < end; i++) {
			uint64_t raw = span->raw[i], pa = (raw & s.fmt.pa_mask) << s.pa_shift;
			uint64_t bits = raw & ~s.fmt.pa_mask;

			if (!raw)
				continue;
			if (!is_plain_leaf(&s, raw, pa))
				put_decoded(r, &s, i);
			else if (is_of_form(&s, bits, pa))
				put_by_form(r, &s, s.form, i, pa);
			else
				put_plain_leaf(r, &s, i, bits, pa);
		}
	}
}

void pw_entry_of_hole(struct pw_render *r, const struct pw_hole *hole, pw_row_fn fn)
{
	const struct pw_step step = {
		.piece = hole->piece,
		.level = hole->level,
		.depth = hole->depth,
		.perm_above = hole->perm_above,
		.va = hole->va,
		.slot_pa = hole->slot_pa,
		.raw = hole->raw,
	};

	if (hole->slot_pa != PW_PA_NONE && hole->raw)
		pw_entry_alone(r, &step, fn);
}

void pw_entry_alone(struct pw_render *r, const struct pw_step *step, pw_row_fn fn)
{
	struct pw_rec_entry rec = {
		.piece = step->piece,
		.va = step->va,
		.slot_pa = step->slot_pa,
		.depth = step->depth,
	};

	decode(&rec, step->level, step->raw, step->perm_above);
	fn(r, &rec);
}
