// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What of the kernel is found once its root is known: the types that it carries in its read-only data (BTF), and init_task, which is in its data,
 * named "swapper...", is PID 0 and the head of a list that comes back to it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/btf_types.h"
#include "os/foreign.h"
#include "source/system.h"

#define PAGE    4096
#define CHUNK   (256 * 1024)
#define MIN_BTF (256 * 1024) /* a kernel's has megabytes; those of modules lie about as well */
#define MAX_BTF (32 << 20)
#define MAX_TRY 64 /* of what looks like BTF and is not the kernel's */

/* -------- members -------- */

struct want {
	const char *in, *member;
	uint32_t *out;
	bool optional;
	uint32_t id; /* of the first struct of that name; 0: none yet */
};

struct wants {
	struct want *want;
	size_t n;
	struct pw_foreign_offsets *off;
};

static void look_at(void *ctx, const struct pw_btf *btf, uint32_t id, const struct btf_type *t)
{
	const char *name = pw_btf_name(btf, t->name_off);
	const struct wants *w = ctx;

	if (BTF_INFO_KIND(t->info) == BTF_KIND_ENUM) {
		if (w->off->pg_head == UINT32_MAX && !strcmp(name, "pageflags"))
			pw_btf_enumerator(btf, t, "PG_head", &w->off->pg_head);
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		if (name[0] == w->want[i].in[0] && !w->want[i].id && !strcmp(name, w->want[i].in))
			w->want[i].id = id;
}

/* 0: there is none. */
static uint32_t size_of(const struct pw_btf *btf, const struct wants *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->want[i].id && !strcmp(w->want[i].in, name))
			return pw_btf_type(btf, w->want[i].id)->size;
	return 0;
}

static int read_offsets(struct pw_btf *btf, struct pw_foreign_offsets *off, struct pw_error *err)
{
	struct want want[] = {
		{ "task_struct", "flags", &off->task_flags },
		{ "task_struct", "signal", &off->task_signal },
		{ "task_struct", "thread_node", &off->task_thread_node },
		{ "signal_struct", "thread_head", &off->signal_thread_head },
		{ "mm_struct", "mm_mt", &off->mm_mt, true },
		{ "mm_struct", "mmap", &off->mm_mmap, true },
		{ "mm_struct", "map_count", &off->mm_map_count },
		{ "mm_struct", "start_brk", &off->mm_start_brk },
		{ "mm_struct", "brk", &off->mm_brk },
		{ "vm_area_struct", "vm_mm", &off->vma_mm },
		{ "vm_area_struct", "vm_start", &off->vma_start },
		{ "vm_area_struct", "vm_end", &off->vma_end },
		{ "vm_area_struct", "vm_next", &off->vma_next, true },
		{ "vm_area_struct", "vm_flags", &off->vma_flags },
		{ "vm_area_struct", "vm_pgoff", &off->vma_pgoff },
		{ "vm_area_struct", "vm_file", &off->vma_file },
		{ "vm_area_struct", "vm_private_data", &off->vma_private },
		{ "vm_area_struct", "vm_ops", &off->vma_ops },
		{ "vm_area_struct", "shared", &off->vma_shared },
		{ "vm_area_struct", "anon_name", &off->vma_anon_name, true },
		{ "vm_area_struct", "__vm_anon_pgoff_lo", &off->vma_anon_pgoff_lo, true },
		{ "vm_area_struct", "__vm_anon_pgoff_hi", &off->vma_anon_pgoff_hi, true },
		{ "anon_vma_name", "name", &off->anon_name_text, true },
		{ "file", "f_path", &off->file_path },
		{ "file", "f_inode", &off->file_inode },
		{ "path", "mnt", &off->path_mnt },
		{ "path", "dentry", &off->path_dentry },
		{ "dentry", "d_parent", &off->dentry_parent },
		{ "dentry", "d_name", &off->dentry_name },
		{ "dentry", "d_hash", &off->dentry_hash },
		{ "dentry", "d_op", &off->dentry_op },
		{ "dentry_operations", "d_dname", &off->dop_dname },
		{ "qstr", "name", &off->qstr_name },
		{ "inode", "i_ino", &off->inode_ino },
		{ "inode", "i_sb", &off->inode_sb },
		{ "super_block", "s_dev", &off->sb_dev },
		{ "super_block", "s_magic", &off->sb_magic },
		{ "mount", "mnt", &off->mount_mnt },
		{ "mount", "mnt_parent", &off->mount_parent },
		{ "mount", "mnt_mountpoint", &off->mount_mountpoint },
		{ "vfsmount", "mnt_root", &off->vfsmount_root },
		{ "maple_tree", "ma_root", &off->maple_root, true },
		{ "maple_range_64", "pivot", &off->range_pivot, true },
		{ "maple_range_64", "slot", &off->range_slot, true },
		{ "maple_arange_64", "pivot", &off->arange_pivot, true },
		{ "maple_arange_64", "slot", &off->arange_slot, true },
		{ "page", "flags", &off->page_flags, true },
		{ "page", "page_type", &off->page_type, true },
		{ "page", "_refcount", &off->page_refcount, true },
		{ "page", "compound_head", &off->page_head, true },
		{ "page", "compound_info", &off->page_info, true },
		{ "page", "mapping", &off->page_mapping, true },
		{ "page", "index", &off->page_index, true },
		{ "page", "__folio_index", &off->page_folio_index, true },
		{ "page", "pt_mm", &off->page_mm, true },
		{ "ptdesc", "pt_mm", &off->ptdesc_mm, true },
	};
	struct wants wants = { want, sizeof(want) / sizeof(want[0]), off };

	off->pg_head = UINT32_MAX;
	pw_btf_each(btf, 1u << BTF_KIND_STRUCT | 1u << BTF_KIND_ENUM, look_at, &wants);
	for (size_t i = 0; i < wants.n; i++) {
		*want[i].out = pw_btf_member(btf, want[i].id, want[i].member);
		if (*want[i].out == UINT32_MAX && !want[i].optional)
			return pw_error_set(err, -ENODATA, "the kernel's BTF has no %s.%s", want[i].in, want[i].member);
	}
	off->vma_bytes = size_of(btf, &wants, "vm_area_struct");
	off->page_bytes = size_of(btf, &wants, "page");
	return 0;
}

static int take_btf(struct pw_foreign_os *os, const char *data, size_t len, struct pw_error *err)
{
	struct pw_btf btf;
	int rc = pw_btf_facts_of(&btf, data, len, &os->k.btf, err);

	if (rc)
		return rc;
	rc = read_offsets(&btf, &os->off, err);
	pw_btf_close(&btf);
	return rc;
}

/* -------- the kernel's own BTF -------- */

static size_t btf_bytes(const struct btf_header *h)
{
	uint64_t types = (uint64_t)h->type_off + h->type_len, strings = (uint64_t)h->str_off + h->str_len;

	if (h->magic != BTF_MAGIC || h->version != BTF_VERSION || h->flags || h->hdr_len != sizeof(*h))
		return 0;
	return h->hdr_len + (types > strings ? types : strings);
}

/* A stretch of the image, which lies in one piece: without a look at its page tables, page by page, where they have told so before. */
static bool read_image(struct pw_foreign_os *os, uint64_t va, void *buf, size_t len)
{
	struct pw_source *src = os->mem.space.source;

	for (size_t i = 0; i < os->half.nextents; i++) {
		const struct pw_extent *x = &os->half.extent[i];

		if (va >= x->va && va - x->va <= x->bytes && len <= x->bytes - (va - x->va))
			return !src->ops->read(src, x->pa + (va - x->va), buf, len);
	}
	return !pw_kmem_read(&os->mem, va, buf, len);
}

/* Whether the types at va are the kernel's. */
static bool btf_at(struct pw_foreign_os *os, uint64_t va)
{
	struct btf_header h;
	char *data;
	size_t n;
	bool ok;

	if (pw_kmem_read(&os->mem, va, &h, sizeof(h)))
		return false;
	n = btf_bytes(&h);
	if (n < MIN_BTF || n > MAX_BTF || os->btf_tries >= MAX_TRY)
		return false;
	os->btf_tries++;
	data = malloc(n);
	ok = data && read_image(os, va, data, n) && !take_btf(os, data, n, NULL);
	free(data);
	return ok;
}

static bool is_btf(struct pw_foreign_os *os, uint64_t va, const char *at)
{
	(void)at;
	return btf_at(os, va);
}

/* -------- init_task -------- */

static bool is_init_task(struct pw_foreign_os *os, uint64_t va, const char *at)
{
	uint64_t task = va - os->k.btf.off.task_comm, head = task + os->k.btf.off.task_tasks, next, back;
	uint32_t pid;

	if (memcmp(at, "swapper", 7) || !pw_kmem_u32(&os->mem, task + os->k.btf.off.task_pid, &pid) || pid)
		return false;
	if (!pw_kmem_u64(&os->mem, head, &next) || !pw_is_kernel(next) || !pw_kmem_u64(&os->mem, next + 8, &back) ||
	    back != head)
		return false;
	os->init_task = task;
	return true;
}

/* The VMA of the page of the old system calls: one of the kernel's variables. vm_start and vm_end lie side by side. */
static bool is_gate_vma(struct pw_foreign_os *os, uint64_t va, const char *at)
{
	static const uint64_t vsyscall[2] = { UINT64_C(0xffffffffff600000), UINT64_C(0xffffffffff601000) };
	uint64_t word[2];

	if (memcmp(at, vsyscall, 8) || pw_kmem_read(&os->mem, va, word, sizeof(word)) ||
	    memcmp(word, vsyscall, sizeof(word)) || va % 8)
		return false;
	return pw_kmem_u64(&os->mem, va - os->off.vma_start + os->off.vma_flags, &os->gate_flags);
}

/* "Linux version 6.12.48-amd64 (who@where) (compiler) #1 SMP ...": there is a form as well, and one without the number. */
static bool is_banner(struct pw_foreign_os *os, uint64_t va, const char *at)
{
	static const char start[] = "Linux version ";
	const char *build = NULL;

	if (memcmp(at, start, 8))
		return false;
	if (pw_kmem_string(&os->mem, va, os->banner, sizeof(os->banner)) &&
	    !strncmp(os->banner, start, sizeof(start) - 1))
		build = strstr(os->banner, ") #");
	if (!build || build[3] < '0' || build[3] > '9') {
		os->banner[0] = 0;
		return false;
	}
	os->banner[strcspn(os->banner, "\n")] = 0;
	return true;
}

/* -------- looking through the image -------- */

/* What is to be looked at; pages that an image does not have look as if nothing was there, which is what is looked for nowhere. */
static void read_chunk(struct pw_foreign_os *os, uint64_t va, void *buf, size_t len)
{
	if (read_image(os, va, buf, len))
		return;
	for (size_t at = 0, n; at < len; at += n) {
		n = PAGE - (va + at) % PAGE < len - at ? (size_t)(PAGE - (va + at) % PAGE) : len - at;
		if (!read_image(os, va + at, (char *)buf + at, n))
			memset((char *)buf + at, 0, n);
	}
}

/* What can be at each 4 bytes of the image: how it begins, and whether it is that, of which 8 bytes can be looked at. */
struct wanted {
	char first[4];
	bool (*is)(struct pw_foreign_os *os, uint64_t va, const char *at);
};

static const struct wanted btf = { "\x9f\xeb\x01", is_btf }; /* magic, version 1, no flags */
static const struct wanted init_task = { "swap", is_init_task };
static const struct wanted banner = { "Linu", is_banner };
static const struct wanted gate_vma = { { 0, 0, 0x60, (char)0xff }, is_gate_vma };

static bool search_extent(struct pw_foreign_os *os, const struct pw_extent *x, uint32_t *buf, const struct wanted *w)
{
	uint32_t first;

	memcpy(&first, w->first, sizeof(first));
	for (uint64_t off = 0; off < x->bytes; off += CHUNK - 8) {
		size_t len = x->bytes - off < CHUNK ? (size_t)(x->bytes - off) : CHUNK;

		read_chunk(os, x->va + off, buf, len);
		for (size_t i = 0; 4 * i + 8 <= len; i++)
			if (buf[i] == first && w->is(os, x->va + off + 4 * i, (const char *)&buf[i]))
				return true;
	}
	return false;
}

/* Read-only or writable data of the image: BTF is in the one, init_task in the other. Where rights tell nothing, anywhere. */
static bool search_image(struct pw_foreign_os *os, uint8_t perm, const struct wanted *w)
{
	uint32_t *buf = malloc(CHUNK);
	bool found = false;

	for (int other = 0; other < 2 && buf; other++)
		for (size_t i = 0; i < os->half.nextents && !found; i++)
			if ((os->half.extent[i].perm == perm) != other)
				found = search_extent(os, &os->half.extent[i], buf, w);
	free(buf);
	return found;
}

static int btf_of_file(struct pw_foreign_os *os, const char *path, struct pw_error *err)
{
	char *data;
	size_t len;
	int rc = pw_system_read(path, MAX_BTF, &data, &len);

	if (rc)
		return pw_error_set(err, rc, "--btf %s: %s", path, rc == -EFBIG ? "too large for BTF" : strerror(-rc));
	rc = take_btf(os, data, len, err);
	if (rc)
		pw_error_prefix(err, "--btf %s", path);
	free(data);
	return rc;
}

int pw_foreign_kernel(struct pw_foreign_os *os, struct pw_error *err)
{
	const char *file = os->opts.btf;
	int rc = file ? btf_of_file(os, file, err) : 0;

	if (rc)
		return rc;
	os->given_btf = file;
	if (!file && !search_image(os, PW_R, &btf))
		return pw_error_set(err, -ENODATA,
				    "the kernel's types (BTF) were not found in its image: give them with --btf FILE "
				    "(/sys/kernel/btf/vmlinux of the same kernel), or look at root:PA");
	if (!search_image(os, PW_R | PW_W, &init_task))
		return pw_error_set(err, -ENODATA, "the first task was not found in the kernel's data");
	search_image(os, PW_R, &banner);
	return 0;
}

uint64_t pw_foreign_gate_flags(struct pw_foreign_os *os)
{
	if (!os->looked_for_gate && !search_image(os, PW_R, &gate_vma))
		os->gate_flags = 0;
	os->looked_for_gate = true;
	return os->gate_flags;
}
