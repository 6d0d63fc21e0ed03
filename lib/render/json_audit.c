// SPDX-License-Identifier: LGPL-2.1-or-later
/* audit's records. Rule ids and levels are API: add, never rename. */
#include "bits.h"
#include "json_snapshot.h"

void pw_json_finding(struct pw_render *r, const struct pw_finding *f)
{
	struct pw_json j = { .out = r->out };

	pw_json_open(&j, "finding");
	pw_json_str(&j, "rule", f->rule->id);
	pw_json_str(&j, "level", pw_audit_level_name(f->rule->level));
	pw_json_bool(&j, "known", f->known);
	pw_json_str(&j, "space", f->space);
	if (f->pid)
		pw_json_num(&j, "pid", (uint64_t)f->pid);
	else
		pw_json_null(&j, "pid");
	pw_json_num(&j, "spaces", f->spaces);
	pw_json_hex(&j, "va", f->va);
	pw_json_end_of(&j, "end", f->last);
	pw_json_num(&j, "pieces", f->pieces);
	pw_json_num(&j, "pages", f->pages);
	pw_json_num(&j, "bytes", f->bytes);
	pw_json_perm(&j, "perm", f->perm);
	pw_json_str(&j, "vma", f->vma[0] ? f->vma : NULL);
	pw_json_str(&j, "name", f->name);
	pw_json_str(&j, "path", f->path);
	pw_json_str(&j, "entry_level", pw_level_name(f->level));
	pw_json_pa(&j, "pa", f->pa);
	pw_json_hex(&j, "raw", f->raw);
	pw_json_str(&j, "reason", f->rule->reason);
	pw_json_close(&j);
}

void pw_json_audit(struct pw_render *r, const struct pw_rec_audit *a)
{
	struct pw_json j = { .out = r->out };

	pw_json_open(&j, "audit");
	pw_json_num(&j, "spaces", a->spaces);
	for (int level = PW_AUDIT_HIGH; level >= PW_AUDIT_INFO; level--)
		pw_json_num(&j, pw_audit_level_name((enum pw_audit_level)level), a->found[level]);
	pw_json_num(&j, "known", a->known);
	pw_json_num(&j, "lost", a->lost);
	pw_json_close(&j);
}
