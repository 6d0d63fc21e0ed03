/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* audit: what the groups of rules share. */
#ifndef PW_AUDIT_H
#define PW_AUDIT_H

#include <pagewalk/audit.h>
#include <pagewalk/runs.h>

/* Most severe first; the table in audit_rules.c has them in this order. */
enum pw_rule {
	PW_RULE_KERNEL_WX,
	PW_RULE_KERNEL_USER,
	PW_RULE_TEXT_WRITE,
	PW_RULE_TEXT_ALIAS,
	PW_RULE_PTI_LEAK,
	PW_RULE_TABLE_MAP,
	PW_RULE_TABLE_NOT_RAM,
	PW_RULE_RESERVED,
	PW_RULE_VMA_WRITE,
	PW_RULE_VMA_EXEC,
	PW_RULE_VMA_NONE,
	PW_RULE_NO_VMA,
	PW_RULE_USER_WX,
	PW_RULE_USER_SUPERVISOR,
	PW_RULE_VMA_HUGE,
	PW_RULE_KERNEL_EXEC,
	PW_RULE_NO_REGION,
	PW_RULE_NOT_RAM,
	PW_RULE_KERNEL_NOT_RAM,
	PW_RULE_USER_EXEC_ANON,
	PW_RULE_VSYSCALL,
	PW_RULE_REAL_MODE,
	PW_RULE_PTI_ENTRY,
	PW_NRULES,
};

extern const struct pw_audit_rule pw_audit_rule_table[PW_NRULES];

/* -------- audit_list.c -------- */

struct pw_findings {
	struct pw_finding *v;
	size_t n, room;
	size_t bytes;  /* of memory */
	uint64_t lost; /* findings for which there was no room */
	bool exact;
	uint32_t *index; /* by hash: number of a finding + 1, or 0; unless exact */
	size_t slots;
};

/* Adds a piece, whose strings are copied; what is like one that is there is added to it. -ENOMEM. */
int pw_findings_add(struct pw_findings *list, const struct pw_finding *f);
/* Adds the findings of one more space, which may be exact where list is not. -ENOMEM. */
int pw_findings_merge(struct pw_findings *list, const struct pw_findings *more);
/* Keeps of list only what first has as well. */
void pw_findings_confirm(struct pw_findings *list, const struct pw_findings *first);
/* rules: bit n for enum pw_rule n. */
bool pw_findings_have(const struct pw_findings *list, uint32_t rules);
void pw_findings_sort(struct pw_findings *list);
void pw_findings_free(struct pw_findings *list);

/* -------- audit_frames.c -------- */

/* Frames that are page tables, each with whose, a PID or 0. */
struct pw_table_set {
	uint64_t *v; /* frame << PW_OWNER_BITS | owner; ascending when sorted */
	size_t n, room;
	bool sorted, full;
};

#define PW_OWNER_BITS 22

/* Adds all tables of the pieces of a space. */
int pw_table_set_add(struct pw_table_set *set, const struct pw_space *space);
/* Adds the frames of the pages in a range that allow all of perm (PW_R: all of them), as if they were tables. */
int pw_table_set_add_pages(struct pw_table_set *set, const struct pw_space *space, struct pw_range va, uint8_t perm);
/* Notes one frame, for its owner's sake. */
int pw_table_set_note(struct pw_table_set *set, uint64_t pa, pid_t owner);
/* What the owners of hits, which is put in another order, have as tables now. */
int pw_table_set_again(struct pw_target *t, struct pw_table_set *hits, struct pw_table_set *out);
void pw_table_set_sort(struct pw_table_set *set);
/* The first one at pa or above, up to last: its address and owner. False: none. */
bool pw_table_set_find(const struct pw_table_set *set, uint64_t pa, uint64_t last, uint64_t *at, pid_t *owner);
void pw_table_set_free(struct pw_table_set *set);

/* -------- -------- */

/* Code or read-only data of the kernel's image. */
struct pw_fixed_part {
	uint64_t va, pa, bytes; /* bytes 0: not known */
};

struct pw_audit {
	struct pw_target *target;
	struct pw_space kernel; /* npieces 0: not known */
	struct pw_areas layout; /* all addresses with the holes; n 0: not known */
	struct pw_fixed_part fixed[2];
	uint64_t device_attrs; /* attributes that only device memory's entries have */
	struct pw_table_set tables;
	struct pw_table_set entry; /* frames of the cpu entry area */
	struct pw_table_set code;  /* and of what can be executed in the modules' region */
	struct pw_findings all;
	bool live;                      /* it may change while it is looked at */
	const struct pw_filter *filter; /* NULL: none */
};

enum pw_audit_part { PW_AUDIT_USER, PW_AUDIT_KERNEL, PW_AUDIT_PTI };

/* One piece of a space that is being looked at. */
struct pw_look {
	struct pw_audit *a;
	struct pw_space space; /* with this one piece; its areas are VMAs, or the kernel's layout */
	const char *name;      /* of the space, in keys */
	enum pw_audit_part part;
	bool has_areas;
	struct pw_findings *found;
	uint64_t told; /* holes that are findings */
	struct pw_runs *runs;
	/* Rules are called while a table is looked at that may be in the source's own memory: they must not read. */
	const struct pw_table_set *tables;
	struct pw_table_set *hits; /* of tables, those that are mapped */
};

/* A run of leaves that the CPU can use; physically contiguous. */
struct pw_pages {
	const struct pw_run *run;
	struct pw_entry e; /* the first */
	bool device;       /* entry or VMA say that it is no memory */
};

/* So many bytes of the run from its offset on. */
int pw_audit_found(struct pw_look *l, enum pw_rule rule, const struct pw_run *run, uint64_t offset, uint64_t bytes);

/* Groups of rules: 0 or -ENOMEM. */
int pw_audit_user(struct pw_look *l, const struct pw_pages *p);
int pw_audit_kernel(struct pw_look *l, const struct pw_pages *p);
int pw_audit_pti(struct pw_look *l, const struct pw_pages *p);
/* Where it points to; skip_tables: its mapping of page tables is as it should be. */
int pw_audit_frames(struct pw_look *l, const struct pw_pages *p, bool skip_tables);

static inline int pw_audit_found_all(struct pw_look *l, enum pw_rule rule, const struct pw_run *run)
{
	return pw_audit_found(l, rule, run, 0, run->last - run->va + 1);
}

/* What may be in a region of the kernel. */
enum {
	PW_MAY_EXEC = 1 << 0,
	PW_MAY_USER = 1 << 1,
	PW_MAY_TABLES = 1 << 2, /* page tables are writable in it */
	PW_MAY_PTI = 1 << 3,    /* PTI's user roots map it */
};

/* Of a run's area; all bits where the area is not known. */
unsigned pw_audit_region(const struct pw_area *area);

#endif
