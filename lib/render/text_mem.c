/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mem: bytes as rows of 16; dev_mem: words; kalloc: where pages are. */
#include "text.h"

static uint64_t word_at(const uint8_t *at, unsigned width)
{
	uint64_t v = 0;

	for (unsigned i = width; i-- > 0;)
		v = v << 8 | at[i];
	return v;
}

void pw_text_memory(struct pw_render *r, const struct pw_rec_memory *m)
{
	struct pw_out *o = r->out;
	unsigned width = m->width ? m->width : 1;

	pw_out_room(o, PW_OUT_ROW);
	pw_out_hexn(o, m->at, 12);
	pw_out_char(o, ' ');
	for (size_t i = 0; i < PW_MEMORY_ROW; i += width) {
		pw_out_char(o, ' ');
		if (i + width <= m->n)
			pw_out_hexn(o, word_at(m->bytes + i, width), 2 * width);
		else
			pw_out_pad(o, 2 * width);
	}
	pw_out_str(o, "  |");
	for (size_t i = 0; i < m->n; i++)
		pw_out_char(o, m->bytes[i] >= 0x20 && m->bytes[i] < 0x7f ? (char)m->bytes[i] : '.');
	pw_out_str(o, "|\n");
}

/* "7f3a5c201000  2044K not there: none" */
void pw_text_gap(struct pw_render *r, const struct pw_mem_part *gap)
{
	struct pw_out *o = r->out;
	uint64_t bytes = gap->last - gap->va + 1;

	pw_out_room(o, PW_OUT_ROW);
	pw_out_hexn(o, gap->va, 12);
	pw_out_str(o, "  ");
	pw_out_size(o, bytes, bytes % 1024);
	pw_out_str(o, bytes % 1024 ? " bytes not there: " : " not there: ");
	pw_out_str(o, gap->why);
	pw_out_char(o, '\n');
}

void pw_text_word(struct pw_render *r, const struct pw_rec_word *w)
{
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_str(r->out, "0x");
	pw_out_hexn(r->out, w->pa, 12);
	pw_out_str(r->out, ": 0x");
	pw_out_hexn(r->out, w->value, 2 * w->width);
	pw_out_char(r->out, '\n');
}

static void k_va(struct pw_render *r, const void *rec)
{
	pw_out_hexn(r->out, ((const struct pw_kpage *)rec)->va, 16);
}

static void k_pa(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, ((const struct pw_kpage *)rec)->pa, false);
}

static void k_level(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_level_name(((const struct pw_kpage *)rec)->level));
}

static void k_raw(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, "0x");
	pw_out_hex16(r->out, ((const struct pw_kpage *)rec)->raw);
}

static void k_api(struct pw_render *r, const void *rec)
{
	const struct pw_kpage *p = rec;

	if (p->api_pa == PW_PA_NONE)
		pw_text_dash(r);
	else
		pw_out_str(r->out, p->api_pa == p->pa ? "same" : "differs");
}

static void k_cpu(struct pw_render *r, const void *rec)
{
	pw_out_dec(r->out, ((const struct pw_kpage *)rec)->cpu);
}

PW_COLUMNS(kpage, { "va", "VA", "first byte of the allocation in the page", 0, .put = k_va },
	   { "pa", "PA", "its physical address, by the kernel's tables", 0, .put = k_pa },
	   { "level", "LEVEL", "of the entry that maps it", 0, .put = k_level },
	   { "raw", "RAW", "that entry", 0, .put = k_raw },
	   { "api", "API", "whether virt_to_phys() or vmalloc_to_page() say the same", 0, .put = k_api },
	   { "cpu", "CPU", "whose copy (percpu)", 0, true, true, k_cpu });

void pw_text_kpage(struct pw_render *r, const struct pw_kpage *p)
{
	struct pw_table *t = pw_text_table(r);

	if (t)
		pw_table_add(r, t, p);
}
