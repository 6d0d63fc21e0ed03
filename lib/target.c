/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/guest.h"
#include "os/image.h"
#include "os/live.h"
#include "source/image.h"
#include "source/qemu.h"
#include "source/snapshot.h"
#include "source/text.h"
#include "space.h"

/* ---- opening ---- */

static int try_live(const struct pw_source_ops *ops, const char *arg, struct pw_target *t, struct pw_error *err)
{
	int rc = pw_source_open(ops, arg, &t->source, err);

	if (rc)
		return rc;
	rc = pw_live_attach(t, err);
	if (rc) {
		t->source.ops->close(&t->source);
		memset(t, 0, sizeof(*t));
	}
	return rc;
}

/* The best source that opens; when none does, the last one's reason. */
static int open_auto(struct pw_target *t, struct pw_error *err)
{
	int rc = pw_error_set(err, -ENOENT, "no source works here: see 'pagewalk doctor'");

	for (const struct pw_source_ops *const *ops = pw_sources_live(); *ops && rc; ops++)
		rc = try_live(*ops, NULL, t, err);
	return rc;
}

static int open_image(const char *path, bool raw, const struct pw_target_opts *opts, struct pw_target *t,
		      struct pw_error *err)
{
	struct pw_image_opts image = { .raw = raw, .ranges = opts->ranges, .frozen = opts->frozen };
	int rc = pw_image_open(path, &image, &t->source, err);

	return rc ? rc : pw_image_attach(t, opts, err);
}

static int open_guest(const char *socket, const struct pw_target_opts *opts, struct pw_target *t, struct pw_error *err)
{
	int rc = pw_qemu_open(socket, opts->stop, &t->source, err);

	return rc ? rc : pw_guest_attach(t, opts, err);
}

static int open_file(const char *path, const struct pw_target_opts *opts, struct pw_target *t, struct pw_error *err)
{
	char head[64];
	FILE *f;
	size_t n;
	int rc;

	if (!strncmp(path, "qemu:", 5))
		return open_guest(path + 5, opts, t, err);
	if (!strncmp(path, "raw:", 4))
		return open_image(path + 4, true, opts, t, err);
	f = fopen(path, "re");

	if (!f)
		return pw_error_set(err, -errno, "%s: neither a source nor a file that can be read: %s", path,
				    strerror(errno));
	n = fread(head, 1, sizeof(head), f);
	fclose(f);
	if (pw_snapshot_is(head, n))
		return pw_snapshot_attach(t, path, err);
	if (!pw_text_is(head, n))
		return open_image(path, false, opts, t, err);
	rc = pw_source_open(&pw_source_text, path, &t->source, err);
	return rc ? rc : pw_text_attach(t, err);
}

static int open_named(const char *name, const struct pw_target_opts *opts, struct pw_target *t, struct pw_error *err)
{
	const struct pw_source_ops *const *ops = pw_sources_live();
	size_t len = strcspn(name, ":");

	for (; *ops; ops++)
		if (strlen((*ops)->name) == len && !strncmp((*ops)->name, name, len))
			return try_live(*ops, name[len] ? name + len + 1 : NULL, t, err);
	return open_file(name, opts, t, err);
}

static int override_paging(struct pw_target *t, unsigned depth, struct pw_error *err)
{
	const struct pw_arch *arch = t->mmu[PW_HALF_KERNEL].arch;
	const struct pw_mode *mode = arch ? pw_arch_mode(arch, depth) : NULL;

	if (!mode)
		return pw_error_set(err, -EINVAL, "--paging %u: no such mode here", depth);
	t->mmu[PW_HALF_USER].mode = mode;
	t->mmu[PW_HALF_KERNEL].mode = mode;
	t->facts.mode_depth = depth;
	return 0;
}

/* Options that say something about a kind of source are for that kind. */
static int check_options(const struct pw_target_opts *opts, const struct pw_target *t, struct pw_error *err)
{
	bool image = pw_image_of(&t->source), guest = pw_qemu_of(&t->source);
	const char *name = t->source.ops->name;

	if ((opts->ranges || opts->frozen) && !image)
		return pw_error_set(err, -EINVAL, "--%s is about a memory image, and source %s is none",
				    opts->ranges ? "ranges" : "frozen", name);
	if ((opts->root || opts->page_offset || opts->btf) && !image && !guest)
		return pw_error_set(err, -EINVAL, "--%s is about an image or a guest, and source %s is none",
				    opts->root          ? "root"
				    : opts->page_offset ? "page-offset"
							: "btf",
				    name);
	if (opts->stop && !guest)
		return pw_error_set(err, -EINVAL, "--stop is about a guest, and source %s is none", name);
	return 0;
}

int pw_target_open(const struct pw_target_opts *opts, struct pw_target **out, struct pw_error *err)
{
	struct pw_target *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return pw_error_set(err, -ENOMEM, "out of memory");
	if (!opts->source || !strcmp(opts->source, "auto"))
		rc = open_auto(t, err);
	else
		rc = open_named(opts->source, opts, t, err);
	if (!rc)
		rc = check_options(opts, t, err);
	if (!rc && opts->paging && (t->source.ops->caps & PW_CAP_TABLES))
		rc = override_paging(t, opts->paging, err);
	if (rc) {
		pw_target_close(t);
		return rc;
	}
	*out = t;
	return 0;
}

void pw_target_close(struct pw_target *t)
{
	if (!t)
		return;
	if (t->os && t->os->close)
		t->os->close(t);
	if (t->source.ops)
		t->source.ops->close(&t->source);
	free(t);
}

void pw_target_let_go(struct pw_target *t)
{
	pw_qemu_let_go(&t->source);
}

/* ---- selecting ---- */

static bool parse_number(const char *s, int base, uint64_t max, uint64_t *out)
{
	char *end;

	if (!*s || *s == '-' || *s == '+' || *s == ' ')
		return false;
	errno = 0;
	*out = strtoull(s, &end, base);
	return !errno && !*end && *out <= max;
}

static int parse_pid(const char *text, struct pw_select *out)
{
	size_t len = strcspn(text, ":");
	char digits[16];
	uint64_t pid;

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = 0;
	if (!strcmp(digits, "self"))
		pid = getpid();
	else if (!parse_number(digits, 10, INT32_MAX, &pid) || pid == 0)
		return -EINVAL;
	out->kind = PW_SELECT_PID;
	out->pid = pid;
	if (!strcmp(text + len, ":user"))
		out->pick = PW_PICK_USER_ROOT;
	else if (!strcmp(text + len, ":kernel"))
		out->pick = PW_PICK_KERNEL_ROOT;
	else if (text[len])
		return -EINVAL;
	return 0;
}

int pw_select_parse(const char *text, struct pw_select *out, struct pw_error *err)
{
	struct pw_select s = { .kind = PW_SELECT_KERNEL };
	uint64_t n;
	int rc = 0;

	if (!strncmp(text, "name:", 5) && text[5]) {
		s.kind = PW_SELECT_NAME;
		snprintf(s.name, sizeof(s.name), "%s", text + 5);
	} else if (!strncmp(text, "cpu:", 4) && parse_number(text + 4, 10, 1 << 20, &n)) {
		s.kind = PW_SELECT_CPU;
		s.cpu = n;
	} else if (!strncmp(text, "root:", 5) && parse_number(text + 5, 16, UINT64_MAX, &n)) {
		s.kind = PW_SELECT_ROOT;
		s.root = n;
	} else if (strcmp(text, "kernel")) {
		rc = parse_pid(text, &s);
	}
	if (rc)
		return pw_error_set(err, -EINVAL,
				    "'%s' is no target: expected PID, name:COMM, kernel, cpu:N or root:PA", text);
	*out = s;
	return 0;
}

int pw_target_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n, struct pw_error *err)
{
	return t->os->processes(t, with_roots, list, n, err);
}

int pw_target_layout(struct pw_target *t, struct pw_areas *out, struct pw_error *err)
{
	if (!t->os->layout)
		return pw_error_set(err, -EOPNOTSUPP, "source %s does not know the layout of addresses",
				    t->source.ops->name);
	return t->os->layout(t, out, err);
}

static int find_by_name(struct pw_target *t, const char *name, pid_t *pid, struct pw_error *err)
{
	struct pw_process *list;
	char pids[256] = "";
	size_t n, found = 0, at = 0;
	int rc = t->os->processes(t, false, &list, &n, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].comm, name) || list[i].kthread)
			continue;
		*pid = list[i].pid;
		found++;
		if (at < sizeof(pids))
			at += snprintf(pids + at, sizeof(pids) - at, " %d", (int)list[i].pid);
	}
	free(list);
	if (found == 0)
		return pw_error_set(err, -ESRCH, "no process is named '%s'", name);
	if (found > 1)
		return pw_error_set(err, -EINVAL, "%zu processes are named '%s', give a PID:%s", found, name, pids);
	return 0;
}

/* PID:user and PID:kernel: one root for both halves. */
static int pick_root(const struct pw_target *t, const struct pw_select *sel, struct pw_space *space,
		     struct pw_error *err)
{
	uint64_t root;

	if (sel->pick == PW_PICK_DEFAULT)
		return 0;
	if (space->npieces != 2)
		return pw_error_set(err, -EINVAL, "%s: a leaf-only source has no roots to pick from", space->title);
	if (!t->facts.pti && sel->pick == PW_PICK_USER_ROOT)
		return pw_error_set(err, -EINVAL, "%s: PTI is off, there is one root: leave out ':user'", space->title);
	root = space->piece[1].root;
	if (sel->pick == PW_PICK_USER_ROOT)
		root |= PW_PTI_USER_ROOT;
	for (size_t i = 0; i < space->npieces; i++) {
		bool user = space->piece[i].mmu.half == PW_HALF_USER;

		space->piece[i].root = root;
		if (sel->pick == PW_PICK_USER_ROOT)
			space->piece[i].label = user ? "user half (user root)" : "kernel half (user root)";
		else
			space->piece[i].label = user ? "user half (kernel root)" : "kernel half (kernel root)";
	}
	return 0;
}

static int open_root(struct pw_target *t, uint64_t root, struct pw_space *space, struct pw_error *err)
{
	if (!(t->source.ops->caps & PW_CAP_TABLES))
		return pw_error_set(err, -EOPNOTSUPP, "source %s has no tables: a root cannot be walked with it",
				    t->source.ops->name);
	/* The low bits of a CR3 value are flags or the PCID. */
	root &= UINT64_C(0x000ffffffffff000);
	if (t->os->use_root)
		t->os->use_root(t, root);
	pw_space_of_root(t, root, space);
	if (t->os->witness)
		t->os->witness(t, space);
	return 0;
}

static int fill_space(struct pw_target *t, const struct pw_select *sel, struct pw_space *space, struct pw_error *err)
{
	pid_t pid = sel->pid;
	struct pw_registers regs;
	int rc = 0;

	switch (sel->kind) {
	case PW_SELECT_NAME:
		rc = find_by_name(t, sel->name, &pid, err);
		if (rc)
			return rc;
		/* fallthrough */
	case PW_SELECT_PID:
		rc = t->os->process_space(t, pid, space, err);
		return rc ? rc : pick_root(t, sel, space, err);
	case PW_SELECT_KERNEL:
		return t->os->kernel_space(t, space, err);
	case PW_SELECT_ROOT:
		return open_root(t, sel->root, space, err);
	case PW_SELECT_CPU:
		if (!t->os->registers)
			return pw_error_set(err, -EOPNOTSUPP, "cpu:%u: a CPU's root is not known to this source",
					    sel->cpu);
		rc = t->os->registers(t, sel->cpu, &regs, err);
		return rc ? rc : open_root(t, regs.root, space, err);
	}
	return -EINVAL;
}

int pw_target_space(struct pw_target *t, const struct pw_select *sel, struct pw_space *out, struct pw_error *err)
{
	struct pw_space space = { .source = &t->source, .pin.pagemap_fd = -1 };
	int rc = 0;

	if (t->source.ops->ranges)
		rc = t->source.ops->ranges(&t->source, &space.ram, &space.nram);
	if (rc)
		pw_error_set(err, rc, "the RAM ranges cannot be read");
	else
		rc = fill_space(t, sel, &space, err);
	if (rc) {
		pw_space_free(&space);
		return rc;
	}
	*out = space;
	return 0;
}
