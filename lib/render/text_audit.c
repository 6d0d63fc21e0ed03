// SPDX-License-Identifier: LGPL-2.1-or-later
/* audit: findings as a table, then what each rule means, once. */
#include "text.h"

static const struct pw_finding *finding_of(const void *rec)
{
	return rec;
}

static void f_level(struct pw_render *r, const void *rec)
{
	enum pw_audit_level level = finding_of(rec)->rule->level;

	pw_out_str(r->out, pw_audit_level_name(level));
	if (level >= PW_AUDIT_MEDIUM && !finding_of(rec)->known)
		r->cell_colour = level == PW_AUDIT_HIGH ? PW_RED : PW_YELLOW;
}

static void f_rule(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, finding_of(rec)->rule->id);
}

/* "kernel", "4242 (dbtest)", "sshd, 12 of them" */
static void f_target(struct pw_render *r, const void *rec)
{
	const struct pw_finding *f = finding_of(rec);

	if (f->spaces > 1) {
		pw_out_name(r->out, f->space);
		pw_out_str(r->out, " x ");
		pw_out_dec(r->out, f->spaces);
		return;
	}
	if (!f->pid) {
		pw_out_name(r->out, f->space);
		return;
	}
	pw_out_dec(r->out, (uint64_t)f->pid);
	pw_out_str(r->out, " (");
	pw_out_name(r->out, f->space);
	pw_out_char(r->out, ')');
}

static void f_at(struct pw_render *r, const void *rec)
{
	pw_out_hexn(r->out, finding_of(rec)->va, 12);
}

static void f_size(struct pw_render *r, const void *rec)
{
	pw_out_size(r->out, finding_of(rec)->bytes, r->bytes);
}

static void f_pieces(struct pw_render *r, const void *rec)
{
	pw_out_dec(r->out, finding_of(rec)->pieces);
}

static void f_perm(struct pw_render *r, const void *rec)
{
	pw_text_perm(r, finding_of(rec)->perm);
}

static void f_vma(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, finding_of(rec)->vma[0] ? finding_of(rec)->vma : "-");
}

static void f_name(struct pw_render *r, const void *rec)
{
	pw_out_name(r->out, finding_of(rec)->name);
}

static void f_pages(struct pw_render *r, const void *rec)
{
	pw_out_dec(r->out, finding_of(rec)->pages);
}

static void f_end(struct pw_render *r, const void *rec)
{
	pw_out_hex_end(r->out, finding_of(rec)->last, 12);
}

static void f_pa(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, finding_of(rec)->pa, false);
}

static void f_raw(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, "0x");
	pw_out_hex16(r->out, finding_of(rec)->raw);
}

static void f_path(struct pw_render *r, const void *rec)
{
	pw_out_name(r->out, finding_of(rec)->path);
}

static void f_known(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, finding_of(rec)->known ? "known" : "-");
}

static void f_why(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, finding_of(rec)->rule->reason);
}

PW_COLUMNS(audit, { "level", "LEVEL", "how bad it is: info, low, medium or high", 0, .put = f_level },
	   { "rule", "RULE", "the rule's id", 0, .put = f_rule },
	   { "target", "TARGET", "kernel, or the process; name x N: so many of that name", 0, .put = f_target },
	   { "at", "AT", "first address, in the first of them", 0, .put = f_at },
	   { "size", "SIZE", "bytes of all that was found", 0, true, .put = f_size },
	   { "pieces", "IN", "pieces of addresses that these are in", 0, true, .put = f_pieces },
	   { "perm", "PERM", "permissions by all levels", 0, .put = f_perm },
	   { "vma", "VMA", "the VMA's own permissions", 0, .put = f_vma },
	   { "name", "NAME", "of the VMA or region", 0, .put = f_name, .wraps = true },
	   { "pages", "PAGES", "entries", 0, true, true, f_pages },
	   { "end", "END", "address after the last, in the first of them", 0, false, true, f_end },
	   { "pa", "PA", "physical address of the first page", 0, false, true, f_pa },
	   { "raw", "RAW", "the first entry", 0, false, true, f_raw },
	   { "path", "PATH", "the mapped file", 0, false, true, f_path },
	   { "known", "KNOWN", "whether the baseline has it", 0, false, true, f_known },
	   { "why", "WHY", "what the rule is about", 0, false, true, f_why });

void pw_text_finding(struct pw_render *r, const struct pw_finding *f)
{
	size_t n;

	r->rules_met |= UINT64_C(1) << (f->rule - pw_audit_rules(&n));
	if (pw_text_table(r))
		pw_table_add(r, r->table, f);
}

static void reasons(struct pw_render *r)
{
	size_t n, width = 0;
	const struct pw_audit_rule *rule = pw_audit_rules(&n);

	for (size_t i = 0; i < n; i++)
		if (r->rules_met >> i & 1 && strlen(rule[i].id) > width)
			width = strlen(rule[i].id);
	for (size_t i = 0; i < n; i++) {
		if (!(r->rules_met >> i & 1))
			continue;
		pw_out_str(r->out, rule[i].id);
		pw_out_pad(r->out, width + 2 - strlen(rule[i].id));
		pw_out_str(r->out, rule[i].reason);
		pw_out_char(r->out, '\n');
	}
}

/* "14 spaces: 1 high, 2 info; 3 known by the baseline" */
void pw_text_audit_end(struct pw_render *r, const struct pw_rec_end *e)
{
	const struct pw_rec_audit *a = e->audit;
	struct pw_out *o = r->out;
	bool any = false;

	if (r->rules_met) {
		pw_out_char(o, '\n');
		reasons(r);
		pw_out_char(o, '\n');
	}
	r->rules_met = 0;
	pw_out_dec(o, a->spaces);
	pw_out_str(o, a->spaces == 1 ? " space: " : " spaces: ");
	for (int level = PW_AUDIT_HIGH; level >= PW_AUDIT_INFO; level--) {
		if (!a->found[level])
			continue;
		pw_out_str(o, any ? ", " : "");
		pw_out_dec(o, a->found[level]);
		pw_out_char(o, ' ');
		pw_out_str(o, pw_audit_level_name((enum pw_audit_level)level));
		any = true;
	}
	pw_out_str(o, any ? "" : a->known ? "nothing new" : "nothing");
	if (a->known) {
		pw_out_str(o, "; ");
		pw_out_dec(o, a->known);
		pw_out_str(o, " known by the baseline");
	}
	if (a->lost) {
		pw_out_str(o, "; ");
		pw_out_dec(o, a->lost);
		pw_out_str(o, " more, too many to keep");
	}
	if (e->walk.unstable + e->walk.unreadable) {
		pw_out_str(o, "; ");
		pw_out_dec(o, e->walk.unstable);
		pw_out_str(o, " unstable, ");
		pw_out_dec(o, e->walk.unreadable);
		pw_out_str(o, " unreadable");
	}
	if (e->walk.inconsistent) {
		pw_out_str(o, "; ");
		pw_out_dec(o, e->walk.inconsistent);
		pw_out_str(o, " inconsistent");
	}
	pw_out_char(o, '\n');
}
