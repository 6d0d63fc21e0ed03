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
 *
 * What tells how swap types are divided is gathered in the same pass: soft_types.c.
 */
#include "os/btf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pagewalk/arch.h>

#include "os/btf_types.h"
#include "source/system.h"

#define BTF_PATH   "/sys/kernel/btf/vmlinux"
#define BTF_BYTES  (256 << 20) /* more is not believed */
#define MAX_ARRAYS 2048        /* 288 in 7.1 */

enum want_struct {
	S_TASK,
	S_MM,
	S_FILES,
	S_FDTABLE,
	S_FILE,
	S_PID,
	S_UPID,
	S_SECTION,
	S_VMA,
	S_MAPLE,
	S_RANGE,
	S_ARANGE,
	S_COUNT
};

static const char *const struct_names[S_COUNT] = {
	"task_struct", "mm_struct",   "files_struct",   "fdtable",    "file",           "pid",
	"upid",        "mem_section", "vm_area_struct", "maple_tree", "maple_range_64", "maple_arange_64",
};

enum want_sign { SIGN_PFN_T, SIGN_ZAPPED_PTE, SIGN_ZAPPED_PUD, SIGN_COLLAPSE, SIGN_UFFD_WP };

struct findings {
	uint32_t id[S_COUNT]; /* 0: not found */
	bool sign[5];
	struct pw_soft_signs soft;
	uint32_t array[MAX_ARRAYS]; /* ids of those that may be the array of swap areas */
	uint32_t narrays;
};

static void look_at_struct(struct findings *f, uint32_t id, const char *name)
{
	for (int i = 0; i < S_COUNT; i++)
		if (!f->id[i] && name[0] == struct_names[i][0] && !strcmp(name, struct_names[i]))
			f->id[i] = id;
	if (name[0] == 'm' && !strcmp(name, "mm_rss_stat"))
		f->soft.rss_stat = true;
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

static void look_at_event(struct findings *f, const char *name)
{
	if (!strcmp(name, "DIRECT_MAP_LEVEL2_COLLAPSE"))
		f->sign[SIGN_COLLAPSE] = true;
	else if (!strcmp(name, "PGMIGRATE_SUCCESS"))
		f->soft.migration = true;
}

static void look_at_page_flag(struct findings *f, const char *name)
{
	if (!strcmp(name, "PG_hwpoison"))
		f->soft.hwpoison = true;
	else if (!strcmp(name, "PG_anon_exclusive"))
		f->soft.anon_exclusive = true;
}

static void look_at_enum(struct findings *f, const struct pw_btf *btf, const struct btf_type *t)
{
	const struct btf_enum *e = (const struct btf_enum *)(t + 1);
	const char *name = pw_btf_name(btf, t->name_off);
	void (*look)(struct findings *, const char *) = NULL;

	if (!strcmp(name, "vm_event_item"))
		look = look_at_event;
	else if (!strcmp(name, "pageflags"))
		look = look_at_page_flag;
	for (uint32_t i = 0; look && i < BTF_INFO_VLEN(t->info); i++)
		look(f, pw_btf_name(btf, e[i].name_off));
}

static void look_at_array(struct findings *f, uint32_t id, const struct btf_type *t)
{
	const struct btf_array *a = (const struct btf_array *)(t + 1);

	if (a->nelems < PW_LEAST_SWAP_AREAS || a->nelems > PW_SWAP_TYPES)
		return;
	if (f->narrays < MAX_ARRAYS)
		f->array[f->narrays] = id;
	f->narrays++;
}

#define WANTED                                                                                        \
	(1u << BTF_KIND_STRUCT | 1u << BTF_KIND_FUNC | 1u << BTF_KIND_TYPEDEF | 1u << BTF_KIND_ENUM | \
	 1u << BTF_KIND_ARRAY)

static void look_at(void *ctx, const struct pw_btf *btf, uint32_t id, const struct btf_type *t)
{
	struct findings *f = ctx;

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_STRUCT:
		look_at_struct(f, id, pw_btf_name(btf, t->name_off));
		break;
	case BTF_KIND_FUNC:
		look_at_func(f, pw_btf_name(btf, t->name_off));
		break;
	case BTF_KIND_TYPEDEF:
		if (!strcmp(pw_btf_name(btf, t->name_off), "pfn_t"))
			f->sign[SIGN_PFN_T] = true;
		break;
	case BTF_KIND_ENUM:
		look_at_enum(f, btf, t);
		break;
	case BTF_KIND_ARRAY:
		look_at_array(f, id, t);
		break;
	}
}

static bool is_of_swap_areas(const struct pw_btf *btf, const struct btf_array *a)
{
	const struct btf_type *of = pw_btf_type(btf, a->type);

	if (!of || BTF_INFO_KIND(of->info) != BTF_KIND_PTR)
		return false;
	of = pw_btf_type(btf, of->type);
	return of && BTF_INFO_KIND(of->info) == BTF_KIND_STRUCT &&
	       !strcmp(pw_btf_name(btf, of->name_off), "swap_info_struct");
}

/* struct swap_info_struct *swap_info[MAX_SWAPFILES]: the variable itself is not in BTF, its type is. */
static uint32_t number_of_areas(const struct pw_btf *btf, const struct findings *f)
{
	uint32_t areas = 0;

	if (f->narrays > MAX_ARRAYS)
		return UINT32_MAX;
	for (uint32_t i = 0; i < f->narrays; i++) {
		const struct btf_array *a = (const struct btf_array *)(pw_btf_type(btf, f->array[i]) + 1);

		if (a->nelems != areas && is_of_swap_areas(btf, a))
			areas = areas ? UINT32_MAX : a->nelems;
	}
	return areas;
}

static int find_members(struct pw_btf *btf, const struct findings *f, struct pw_offsets *off, struct pw_error *err)
{
	const struct {
		enum want_struct in;
		const char *member;
		uint32_t *out;
		bool optional;
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
		{ S_SECTION, "section_mem_map", &off->section_map, true },
		{ S_MM, "mm_mt", &off->mm_mt, true },
		{ S_VMA, "vm_start", &off->vma_start, true },
		{ S_VMA, "vm_end", &off->vma_end, true },
		{ S_VMA, "vm_mm", &off->vma_mm, true },
		{ S_VMA, "vm_flags", &off->vma_flags, true },
		{ S_MAPLE, "ma_root", &off->maple_root, true },
		{ S_RANGE, "pivot", &off->range_pivot, true },
		{ S_RANGE, "slot", &off->range_slot, true },
		{ S_ARANGE, "pivot", &off->arange_pivot, true },
		{ S_ARANGE, "slot", &off->arange_slot, true },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		*want[i].out = pw_btf_member(btf, f->id[want[i].in], want[i].member);
		if (*want[i].out == UINT32_MAX && !want[i].optional)
			return pw_error_set(err, -ENODATA, "the kernel's BTF has no %s.%s", struct_names[want[i].in],
					    want[i].member);
	}
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

/* The file's bytes: mapped where the kernel can do that (v6.16), else read, a page a call. */
struct btf_file {
	char *data;
	size_t len;
	bool mapped;
};

static int load_fd(int fd, struct btf_file *f)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) || st.st_size <= 0 || st.st_size > BTF_BYTES)
		return -EINVAL;
	f->len = (size_t)st.st_size;
	map = mmap(NULL, f->len, PROT_READ, MAP_PRIVATE, fd, 0);
	f->mapped = map != MAP_FAILED;
	f->data = f->mapped ? map : malloc(f->len);
	if (f->mapped)
		return 0;
	return f->data ? pw_system_pread(fd, f->data, f->len, 0) : -ENOMEM;
}

static void unload(struct btf_file *f)
{
	if (f->mapped)
		munmap(f->data, f->len);
	else
		free(f->data);
}

static int load(struct btf_file *f)
{
	int fd = open(BTF_PATH, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = load_fd(fd, f);
	close(fd);
	if (rc)
		unload(f);
	return rc;
}

static int facts_of(struct pw_btf *btf, struct findings *f, struct pw_btf_facts *out, struct pw_error *err)
{
	const struct btf_type *upid = pw_btf_type(btf, f->id[S_UPID]);
	struct pw_btf_facts facts = { .upid_size = upid ? upid->size : 16 };
	int rc;

	f->soft.areas = number_of_areas(btf, f);
	read_dialect(f, &facts);
	pw_soft_types_of(&f->soft, &facts.soft);
	rc = find_members(btf, f, &facts.off, err);
	if (!rc)
		*out = facts;
	return rc;
}

int pw_btf_facts_of(struct pw_btf *btf, const char *data, size_t len, struct pw_btf_facts *out, struct pw_error *err)
{
	struct findings f = { 0 };
	int rc = pw_btf_open(btf, data, len, WANTED, look_at, &f);

	if (rc)
		return pw_error_set(err, rc, "%s", rc == -EINVAL ? "it is not BTF" : strerror(-rc));
	rc = facts_of(btf, &f, out, err);
	if (rc)
		pw_btf_close(btf);
	return rc;
}

int pw_btf_read(struct pw_btf_facts *out, struct pw_error *err)
{
	struct btf_file file = { 0 };
	struct pw_btf btf;
	int rc = load(&file);

	if (rc == -ENOENT)
		return pw_error_set(err, rc,
				    "the kernel has no BTF (" BTF_PATH "): its own structures cannot be found; "
				    "'-s pagemap' still works");
	if (rc)
		return pw_error_set(err, rc, BTF_PATH ": %s", strerror(-rc));
	rc = pw_btf_facts_of(&btf, file.data, file.len, out, err);
	if (rc)
		pw_error_prefix(err, BTF_PATH);
	else
		pw_btf_close(&btf);
	unload(&file);
	return rc;
}
