// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * BTF of the running kernel, read in one pass over its types (100,000 of them).
 *
 * The software bits of x86 page tables are macros, which BTF does not have. What came and went together
 * with them is there:
 *
 *   pfn_t             a typedef: as long as there is a devmap bit. Both ended with d438d2734170 ("mm:
 *                     remove devmap related functions and page table bits") and its series, in v6.17
 *   arch_check_zapped_pte  a function: came with saved-dirty on bit 58 (shadow stacks, v6.6), which
 *                     moved devmap to 57
 *   arch_check_zapped_pud  a function of v6.12: kernels that have it, or get it by a stable update, use bit 58
 *                     of a pgd entry for NOPTISHADOW if for anything
 *   DIRECT_MAP_LEVEL2_COLLAPSE  an enumerator: came with KERNEL_4K on bit 11, 41d88484c71c ("x86/mm/pat:
 *                     restore large ROX pages after fragmentation", v6.15)
 *   mwriteprotect_range    a function: userfaultfd write protection is built in (v5.7)
 */
#include "os/btf.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include <pagewalk/arch.h>

#define BTF_PATH "/sys/kernel/btf/vmlinux"

enum want_struct { S_TASK, S_MM, S_FILES, S_FDTABLE, S_FILE, S_PID, S_UPID, S_SECTION, S_COUNT };

static const char *const struct_names[S_COUNT] = {
	"task_struct", "mm_struct", "files_struct", "fdtable", "file", "pid", "upid", "mem_section",
};

enum want_sign { SIGN_PFN_T, SIGN_ZAPPED_PTE, SIGN_ZAPPED_PUD, SIGN_COLLAPSE, SIGN_UFFD_WP };

struct findings {
	uint32_t id[S_COUNT]; /* 0: not found */
	bool sign[5];
};

static void look_at_struct(struct findings *f, uint32_t id, const char *name)
{
	for (int i = 0; i < S_COUNT; i++)
		if (!f->id[i] && name[0] == struct_names[i][0] && !strcmp(name, struct_names[i]))
			f->id[i] = id;
}

static void look_at_func(struct findings *f, const char *name)
{
	if (name[0] == 'm' && !strcmp(name, "mwriteprotect_range"))
		f->sign[SIGN_UFFD_WP] = true;
	else if (name[0] == 'a' && !strcmp(name, "arch_check_zapped_pte"))
		f->sign[SIGN_ZAPPED_PTE] = true;
	else if (name[0] == 'a' && !strcmp(name, "arch_check_zapped_pud"))
		f->sign[SIGN_ZAPPED_PUD] = true;
}

static void look_at_enum(struct findings *f, const struct btf *btf, const struct btf_type *t)
{
	const struct btf_enum *e = btf_enum(t);

	for (int i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, e[i].name_off);

		if (name && !strcmp(name, "DIRECT_MAP_LEVEL2_COLLAPSE"))
			f->sign[SIGN_COLLAPSE] = true;
	}
}

static void look_at_all(const struct btf *btf, struct findings *f)
{
	uint32_t n = btf__type_cnt(btf);

	for (uint32_t id = 1; id < n; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name = t ? btf__name_by_offset(btf, t->name_off) : NULL;

		if (!name || !*name)
			continue;
		if (btf_is_struct(t))
			look_at_struct(f, id, name);
		else if (btf_is_func(t))
			look_at_func(f, name);
		else if (btf_is_typedef(t) && !strcmp(name, "pfn_t"))
			f->sign[SIGN_PFN_T] = true;
		else if (btf_is_enum(t) && !strcmp(name, "vm_event_item"))
			look_at_enum(f, btf, t);
	}
}

/* Byte offset of a member, also inside anonymous structs and unions; UINT32_MAX when there is none. */
static uint32_t member_offset(const struct btf *btf, uint32_t id, const char *want, int depth)
{
	const struct btf_type *t = btf__type_by_id(btf, id);
	const struct btf_member *m;

	while (t && btf_is_mod(t))
		t = btf__type_by_id(btf, t->type);
	if (!t || !btf_is_composite(t) || depth > 8)
		return UINT32_MAX;
	m = btf_members(t);
	for (int i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, m[i].name_off);
		uint32_t at = btf_member_bit_offset(t, (uint32_t)i) / 8;
		uint32_t in;

		if (name && *name) {
			if (!strcmp(name, want))
				return at;
			continue;
		}
		in = member_offset(btf, m[i].type, want, depth + 1);
		if (in != UINT32_MAX)
			return at + in;
	}
	return UINT32_MAX;
}

static int find_members(const struct btf *btf, const struct findings *f, struct pw_offsets *off, struct pw_error *err)
{
	const struct {
		enum want_struct in;
		const char *member;
		uint32_t *out;
	} want[] = {
		{ S_TASK, "tasks", &off->task_tasks },
		{ S_TASK, "pid", &off->task_pid },
		{ S_TASK, "comm", &off->task_comm },
		{ S_TASK, "mm", &off->task_mm },
		{ S_TASK, "files", &off->task_files },
		{ S_TASK, "thread_pid", &off->task_thread_pid },
		{ S_MM, "pgd", &off->mm_pgd },
		{ S_MM, "start_stack", &off->mm_start_stack },
		{ S_MM, "arg_start", &off->mm_arg_start },
		{ S_FILES, "fdt", &off->files_fdt },
		{ S_FDTABLE, "fd", &off->fdtable_fd },
		{ S_FILE, "private_data", &off->file_private },
		{ S_PID, "level", &off->pid_level },
		{ S_PID, "numbers", &off->pid_numbers },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		*want[i].out = member_offset(btf, f->id[want[i].in], want[i].member, 0);
		if (*want[i].out == UINT32_MAX)
			return pw_error_set(err, -ENODATA, "the kernel's BTF has no %s.%s", struct_names[want[i].in],
					    want[i].member);
	}
	off->section_map = member_offset(btf, f->id[S_SECTION], "section_mem_map", 0);
	return 0;
}

static void read_dialect(const struct findings *f, struct pw_btf_facts *out)
{
	bool saved_dirty = f->sign[SIGN_ZAPPED_PTE];
	bool devmap = f->sign[SIGN_PFN_T];

	out->dialect = PW_DIALECT_KNOWN;
	if (f->sign[SIGN_UFFD_WP])
		out->dialect |= PW_DIALECT_UFFD_WP;
	if (saved_dirty)
		out->dialect |= PW_DIALECT_SAVED_DIRTY;
	if (devmap)
		out->dialect |= saved_dirty ? PW_DIALECT_DEVMAP_57 : PW_DIALECT_DEVMAP_58;
	if (f->sign[SIGN_ZAPPED_PUD])
		out->dialect |= PW_DIALECT_NOPTISHADOW;
	if (f->sign[SIGN_COLLAPSE])
		out->dialect |= PW_DIALECT_KERNEL_4K;
	if (!saved_dirty)
		out->evidence = "BTF: pfn_t, no arch_check_zapped_pte";
	else if (devmap)
		out->evidence = "BTF: pfn_t and arch_check_zapped_pte";
	else
		out->evidence = "BTF: arch_check_zapped_pte, no pfn_t";
}

int pw_btf_read(struct pw_btf_facts *out, struct pw_error *err)
{
	struct pw_btf_facts facts = { 0 };
	struct findings f = { 0 };
	struct btf *btf = btf__parse_raw(BTF_PATH);
	const struct btf_type *upid;
	int rc;

	if (!btf && access(BTF_PATH, F_OK))
		return pw_error_set(err, -ENOENT,
				    "the kernel has no BTF (" BTF_PATH "): its own structures cannot be found; "
				    "'-s pagemap' still works");
	if (!btf)
		return pw_error_set(err, -errno, BTF_PATH ": %s", strerror(errno));
	look_at_all(btf, &f);
	rc = find_members(btf, &f, &facts.off, err);
	upid = f.id[S_UPID] ? btf__type_by_id(btf, f.id[S_UPID]) : NULL;
	facts.upid_size = upid ? upid->size : 16;
	read_dialect(&f, &facts);
	btf__free(btf);
	if (!rc)
		*out = facts;
	return rc;
}
