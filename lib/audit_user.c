// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules about the user half: what entries allow, and what the VMAs around them do. */
#include <string.h>

#include "audit.h"

static int against_vma(struct pw_look *l, const struct pw_run *run)
{
	const struct pw_area *vma = run->area;
	int rc = 0;

	/* Where not all VMAs of an image could be found, one of the others can be there. */
	if (!vma)
		return l->space.lack ? 0 : pw_audit_found_all(l, PW_RULE_NO_VMA, run);
	if (!strncmp(vma->perms, "---", 3))
		return pw_audit_found_all(l, PW_RULE_VMA_NONE, run);
	if (run->perm & PW_W && vma->perms[1] != 'w')
		rc = pw_audit_found_all(l, PW_RULE_VMA_WRITE, run);
	if (!rc && run->perm & PW_X && vma->perms[2] != 'x')
		rc = pw_audit_found_all(l, PW_RULE_VMA_EXEC, run);
	if (!rc && run->last > vma->last)
		rc = pw_audit_found_all(l, PW_RULE_VMA_HUGE, run);
	return rc;
}

/* The vdso is code of the kernel's image. */
static bool of_no_file(const struct pw_area *vma)
{
	return vma && !vma->inode && strcmp(vma->name, "[vdso]");
}

int pw_audit_user(struct pw_look *l, const struct pw_pages *p)
{
	const struct pw_run *run = p->run;
	int rc = 0;

	if (!(run->perm & PW_U))
		rc = pw_audit_found_all(l, PW_RULE_USER_SUPERVISOR, run);
	if (!rc && l->has_areas)
		rc = against_vma(l, run);
	if (!rc && (run->perm & (PW_W | PW_X)) == (PW_W | PW_X))
		rc = pw_audit_found_all(l, PW_RULE_USER_WX, run);
	else if (!rc && run->perm & PW_X && of_no_file(run->area))
		rc = pw_audit_found_all(l, PW_RULE_USER_EXEC_ANON, run);
	return rc ? rc : pw_audit_frames(l, p, false);
}
