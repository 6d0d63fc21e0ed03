/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text format's parser; the format is described in text.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define SLOTS     512
#define MAX_PAGES 65536

struct parser {
	struct pw_text *t;
	struct pw_text_page *page; /* that entry lines go into */
	struct pw_error *err;
	unsigned line;
};

static int bad(struct parser *p, const char *what)
{
	return pw_error_set(p->err, -EINVAL, "line %u: %s", p->line, what);
}

static void *grow(void *v, size_t n, size_t size)
{
	/* Doubling: at 0, 1, 2, 4, 8... elements there is no room left. */
	if (n && (n & (n - 1)))
		return v;
	return reallocarray(v, n ? 2 * n : 1, size);
}

#define ADD(p, array, count)                                                           \
	({                                                                             \
		void *v_ = grow((p)->t->array, (p)->t->count, sizeof(*(p)->t->array)); \
		if (v_)                                                                \
			(p)->t->array = v_;                                            \
		v_ ? memset(&(p)->t->array[(p)->t->count], 0, sizeof(*(p)->t->array)), \
			&(p)->t->array[(p)->t->count++] : NULL;                        \
	})

static bool number(const char **s, int base, uint64_t *out)
{
	char *end;

	if (!isxdigit((unsigned char)**s))
		return false;
	errno = 0;
	*out = strtoull(*s, &end, base);
	if (errno || end == *s)
		return false;
	*s = end;
	return true;
}

/* "LO-LAST" in hexadecimal. */
static bool range(const char **s, struct pw_range *out)
{
	if (!number(s, 16, &out->lo) || **s != '-')
		return false;
	++*s;
	return number(s, 16, &out->last) && out->lo <= out->last;
}

static const char *blank(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static int dialect(struct parser *p, const char *s)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} names[] = {
		{ "soft-dirty", PW_DIALECT_SOFT_DIRTY },   { "uffd-wp", PW_DIALECT_UFFD_WP },
		{ "devmap58", PW_DIALECT_DEVMAP_58 },      { "devmap57", PW_DIALECT_DEVMAP_57 },
		{ "saved-dirty", PW_DIALECT_SAVED_DIRTY }, { "noptishadow", PW_DIALECT_NOPTISHADOW },
		{ "kernel-4k", PW_DIALECT_KERNEL_4K },
	};

	p->t->dialect = PW_DIALECT_KNOWN;
	while (*s && *s != ' ') {
		size_t len = strcspn(s, ", "), i;

		for (i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (strlen(names[i].name) == len && !strncmp(names[i].name, s, len))
				break;
		if (i == sizeof(names) / sizeof(*names))
			return bad(p, "unknown software bit in dialect=");
		p->t->dialect |= names[i].bit;
		s += len + (s[len] == ',');
	}
	return 0;
}

static int mmu(struct parser *p, const char *s)
{
	while (*(s = blank(s))) {
		size_t key = strcspn(s, "= ");
		const char *value = s + key + 1;
		uint64_t v = 0;
		int rc = 0;

		if (s[key] != '=')
			return bad(p, "expected KEY=VALUE");
		if (!strncmp(s, "arch=", 5))
			rc = strncmp(value, "x86-64", 6) ? bad(p, "unknown arch") : 0;
		else if (!strncmp(s, "dialect=", 8))
			rc = dialect(p, value);
		else if (!number(&value, 0, &v))
			return bad(p, "expected a number");
		else if (!strncmp(s, "levels=", 7))
			p->t->levels = v;
		else if (!strncmp(s, "maxphyaddr=", 11))
			p->t->maxphyaddr = v;
		else if (!strncmp(s, "page-offset=", 12))
			p->t->page_offset = v;
		else if (!strncmp(s, "enc-mask=", 9))
			p->t->enc_mask = v;
		else if (!strncmp(s, "pti=", 4))
			p->t->pti = v;
		else
			rc = bad(p, "unknown key");
		if (rc)
			return rc;
		s += strcspn(s, " ");
	}
	if (p->t->levels != 4 && p->t->levels != 5)
		return bad(p, "levels must be 4 or 5");
	if (p->t->maxphyaddr < 32 || p->t->maxphyaddr > 52)
		return bad(p, "maxphyaddr must be 32 to 52");
	return 0;
}

static int soft(struct parser *p, const char *s)
{
	struct pw_soft_types *t = &p->t->soft;
	const struct {
		const char *key;
		uint8_t *out;
	} keys[] = {
		{ "hwpoison=", &t->hwpoison }, { "migration=", &t->migration },       { "device=", &t->device },
		{ "marker=", &t->marker },     { "swapin-error=", &t->swapin_error },
	};
	unsigned taken;

	while (*(s = blank(s))) {
		size_t i = 0;
		uint64_t v;

		while (i < sizeof(keys) / sizeof(*keys) && strncmp(s, keys[i].key, strlen(keys[i].key)))
			i++;
		if (i == sizeof(keys) / sizeof(*keys))
			return bad(p, "unknown key");
		s += strlen(keys[i].key);
		if (!number(&s, 10, &v) || v > 4)
			return bad(p, "expected a number up to 4");
		*keys[i].out = (uint8_t)v;
	}
	taken = t->hwpoison + t->migration + t->device + t->marker + t->swapin_error;
	t->areas = (uint8_t)(32 - taken);
	t->known = true;
	snprintf(t->how, sizeof(t->how), "the file says so");
	return 0;
}

static int ram(struct parser *p, const char *s)
{
	struct pw_range *r = ADD(p, ram, nram);

	if (!r)
		return -ENOMEM;
	if (!range(&s, r))
		return bad(p, "expected LO-LAST");
	if (p->t->nram > 1 && r->lo <= r[-1].last)
		return bad(p, "RAM ranges must ascend");
	return 0;
}

static int root(struct parser *p, const char *s, uint64_t *out)
{
	if (strncmp(s, "root=", 5))
		return bad(p, "expected root=PA");
	s += 5;
	return number(&s, 16, out) ? 0 : bad(p, "expected root=PA");
}

static int process(struct parser *p, const char *s)
{
	struct pw_process *proc = ADD(p, process, nprocesses);
	uint64_t pid;
	size_t len;

	if (!proc)
		return -ENOMEM;
	if (!number(&s, 10, &pid) || pid == 0 || pid > INT32_MAX)
		return bad(p, "expected a PID");
	proc->pid = pid;
	proc->root = PW_PA_NONE;
	s = blank(s);
	len = strcspn(s, " ");
	snprintf(proc->comm, sizeof(proc->comm), "%.*s", (int)len, s);
	s = blank(s + len);
	if (p->t->nprocesses > 1 && proc[-1].pid >= proc->pid)
		return bad(p, "processes must ascend by PID");
	if (!strcmp(s, "kthread")) {
		proc->kthread = true;
		return 0;
	}
	return root(p, s, &proc->root);
}

static int vma(struct parser *p, const char *s)
{
	struct pw_text_vma *v = ADD(p, vma, nvmas);
	uint64_t pid;

	if (!v)
		return -ENOMEM;
	if (!number(&s, 10, &pid))
		return bad(p, "expected a PID");
	v->pid = pid;
	v->line = strdup(blank(s));
	return v->line ? 0 : -ENOMEM;
}

static int region(struct parser *p, const char *s)
{
	struct pw_text_region *r = ADD(p, region, nregions);

	if (!r)
		return -ENOMEM;
	if (!range(&s, &r->va))
		return bad(p, "expected LO-LAST NAME");
	r->name = strdup(blank(s));
	return r->name ? 0 : -ENOMEM;
}

static int page(struct parser *p, const char *s, bool unreadable)
{
	struct pw_text_page *pg;
	uint64_t pa;

	if (!number(&s, 16, &pa) || pa & 0xfff)
		return bad(p, "expected the physical address of a page");
	if (p->t->npages == MAX_PAGES)
		return bad(p, "too many pages");
	pg = ADD(p, page, npages);
	if (!pg)
		return -ENOMEM;
	pg->pa = pa;
	pg->unreadable = unreadable;
	pg->words = calloc(SLOTS, sizeof(*pg->words));
	if (!pg->words)
		return -ENOMEM;
	p->page = pg;
	return 0;
}

/* "IDX = RAW" or "A-B = RAW step S" */
static int entries(struct parser *p, const char *s)
{
	uint64_t first, last, raw, step = 0;

	if (!p->page)
		return bad(p, "an entry outside a page");
	if (!number(&s, 10, &first))
		return bad(p, "unknown line");
	last = first;
	if (*s == '-' && (s++, !number(&s, 10, &last)))
		return bad(p, "expected A-B = RAW");
	s = blank(s);
	if (*s != '=' || last >= SLOTS || first > last)
		return bad(p, "expected SLOT = RAW, slots 0 to 511");
	s = blank(s + 1);
	if (!number(&s, 16, &raw))
		return bad(p, "expected a raw value");
	s = blank(s);
	if (!strncmp(s, "step ", 5)) {
		s += 5;
		if (!number(&s, 16, &step))
			return bad(p, "expected step S");
	}
	for (uint64_t i = first; i <= last; i++)
		p->page->words[i] = raw + (i - first) * step;
	return 0;
}

static int one_line(struct parser *p, char *line)
{
	const char *s = blank(line);
	size_t word = strcspn(s, " \t");
	const char *rest = blank(s + word);

#define IS(w) (word == sizeof(w) - 1 && !strncmp(s, w, word))
	if (*s == 0)
		return 0;
	if (IS("system"))
		return snprintf(p->t->system, sizeof(p->t->system), "%s", rest), 0;
	if (IS("soft"))
		return soft(p, rest);
	if (IS("mmu"))
		return mmu(p, rest);
	if (IS("ram"))
		return ram(p, rest);
	if (IS("kernel"))
		return root(p, rest, &p->t->kernel_root);
	if (IS("process"))
		return process(p, rest);
	if (IS("vma"))
		return vma(p, rest);
	if (IS("region"))
		return region(p, rest);
	if (IS("page") || IS("unreadable"))
		return page(p, rest, IS("unreadable"));
#undef IS
	return entries(p, s);
}

static int by_pa(const void *a, const void *b)
{
	const struct pw_text_page *x = a, *y = b;

	return x->pa < y->pa ? -1 : x->pa > y->pa;
}

static int check_whole(struct parser *p)
{
	struct pw_text *t = p->t;

	if (!t->levels)
		return pw_error_set(p->err, -EINVAL, "no mmu line");
	if (t->npages)
		qsort(t->page, t->npages, sizeof(*t->page), by_pa);
	for (size_t i = 1; i < t->npages; i++)
		if (t->page[i].pa == t->page[i - 1].pa)
			return pw_error_set(p->err, -EINVAL, "page 0x%llx is given twice",
					    (unsigned long long)t->page[i].pa);
	return 0;
}

bool pw_text_is(const char *head, size_t len)
{
	static const char magic[] = "pagewalk-text 1\n";

	return len >= sizeof(magic) - 1 && !memcmp(head, magic, sizeof(magic) - 1);
}

int pw_text_parse(char *text, size_t len, struct pw_text *out, struct pw_error *err)
{
	struct parser p = { .t = out, .err = err };
	char *next;

	*out = (struct pw_text){ .maxphyaddr = 46, .page_offset = PW_PA_NONE, .kernel_root = PW_PA_NONE };
	if (!pw_text_is(text, len))
		return pw_error_set(err, -EINVAL, "the first line is not 'pagewalk-text 1'");
	if (strlen(text) != len)
		return pw_error_set(err, -EINVAL, "the text holds a NUL byte");
	for (char *line = text; line; line = next) {
		int rc;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		line[strcspn(line, "#")] = 0;
		for (size_t n = strlen(line); n && (line[n - 1] == ' ' || line[n - 1] == '\r'); n--)
			line[n - 1] = 0;
		rc = p.line++ ? one_line(&p, line) : 0;
		if (rc == -ENOMEM)
			pw_error_set(err, rc, "out of memory");
		if (rc) {
			pw_text_free(out);
			return rc;
		}
	}
	if (check_whole(&p)) {
		pw_text_free(out);
		return -EINVAL;
	}
	return 0;
}

void pw_text_free(struct pw_text *t)
{
	for (size_t i = 0; i < t->npages; i++)
		free(t->page[i].words);
	for (size_t i = 0; i < t->nvmas; i++)
		free(t->vma[i].line);
	for (size_t i = 0; i < t->nregions; i++)
		free(t->region[i].name);
	free(t->ram);
	free(t->page);
	free(t->process);
	free(t->vma);
	free(t->region);
	memset(t, 0, sizeof(*t));
}
