/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"
#include "space.h"

static struct machine *of(struct pw_source *src)
{
	return (struct machine *)((char *)src->priv - offsetof(struct machine, text));
}

static uint64_t *word_at(struct machine *m, uint64_t pa)
{
	for (size_t i = 0; i < m->text.npages; i++)
		if (m->text.page[i].pa == (pa & ~UINT64_C(0xfff)))
			return &m->text.page[i].words[(pa & 0xfff) / 8];
	return NULL;
}

static void changed(struct machine *m, struct pw_table_req *req)
{
	req->status = -EAGAIN;
	if (--m->again == 0 && m->poke_pa)
		*word_at(m, m->poke_pa) = m->poke_value;
}

/* A chain is right when each link still holds what was expected. */
static bool chain_holds(struct machine *m, const struct pw_link *link)
{
	for (; link; link = link->up) {
		const uint64_t *word = word_at(m, link->pa);

		if (!word || ((*word ^ link->expect) & ~link->ignore))
			return false;
	}
	return true;
}

/* A cache of few pages. */
static void keep(struct machine *m, uint64_t pa)
{
	for (size_t i = 0; i < MACHINE_KEPT; i++)
		if (m->kept[i] == pa)
			return;
	m->kept[m->nkept++ % MACHINE_KEPT] = pa;
}

static int read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	struct machine *m = of(src);

	m->calls++;
	assert_in_range(n, 1, PW_LOOKAHEAD);
	memset(m->own, 0xee, sizeof(m->own));
	for (size_t i = 0; i < n; i++) {
		void *to = m->zero_copy ? m->own[i] : req[i].buf;

		m->reads++;
		req[i].status = src->ops->read(src, req[i].pa, to, req[i].bytes);
		req[i].data = to;
		if (req[i].status == 0 && m->again && req[i].pa == m->again_pa)
			changed(m, &req[i]);
		else if (req[i].status == 0 && !chain_holds(m, req[i].link))
			req[i].status = -EAGAIN;
		if (req[i].status == 0)
			keep(m, req[i].pa & ~UINT64_C(0xfff));
	}
	return 0;
}

static const void *table(struct pw_source *src, uint64_t pa)
{
	struct machine *m = of(src);

	for (size_t i = 0; i < MACHINE_KEPT && m->at_hand && pa; i++)
		if (m->kept[i] == pa)
			return word_at(m, pa);
	return NULL;
}

struct machine *machine_new(const char *text)
{
	static const char head[] = "pagewalk-text 1\n";
	static struct pw_source_ops ops;
	struct machine *m = calloc(1, sizeof(*m));
	struct pw_error err = { 0 };
	char *all;

	assert_non_null(m);
	assert_true(asprintf(&all, "%s%s", head, text) > 0);
	if (pw_text_parse(all, strlen(all), &m->text, &err))
		fail_msg("%s", err.text);
	free(all);
	ops = pw_source_text;
	ops.read_tables = read_tables;
	ops.table = table;
	m->target.source = (struct pw_source){ &ops, &m->text, PW_FROZEN };
	assert_int_equal(pw_text_attach(&m->target, &err), 0);
	m->space.source = &m->target.source;
	m->space.pin.pagemap_fd = -1;
	m->space.ram = m->text.ram;
	m->space.nram = m->text.nram;
	pw_space_of_root(&m->target, 0x1000, &m->space);
	return m;
}

void machine_free(struct machine *m)
{
	pw_space_free(&m->space);
	pw_text_free(&m->text);
	free(m);
}
