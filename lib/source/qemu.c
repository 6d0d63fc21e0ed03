// SPDX-License-Identifier: LGPL-2.1-or-later
/* Source `qemu`. A guest that runs is read as a live system is: what was copied counts if the chain above it still held afterwards. */
#include "source/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/chain.h"
#include "source/system.h"

/* -------- reading -------- */

static const struct pw_qemu_ram *find(const struct pw_qemu *q, uint64_t pa)
{
	size_t lo = 0, hi = q->nram;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (q->ram[mid].pa + (q->ram[mid].bytes - 1) < pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < q->nram && q->ram[lo].pa <= pa ? &q->ram[lo] : NULL;
}

/* The file that QEMU writes for us: ours alone, and QEMU's if it runs as the same user or as root. */
static int make_save(struct pw_qemu *q)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(q->save, sizeof(q->save), "%.32s/pagewalk-XXXXXX", tmp && strlen(tmp) <= 32 ? tmp : "/tmp");
	q->save_fd = mkostemp(q->save, O_CLOEXEC);
	if (q->save_fd >= 0)
		return 0;
	q->save[0] = 0;
	return -errno;
}

static int read_by_pmemsave(struct pw_qemu *q, uint64_t pa, void *buf, size_t len)
{
	struct json_object *arguments;
	struct pw_error err = { 0 };
	int rc = q->save[0] ? 0 : make_save(q);

	if (rc)
		return rc;
	arguments = json_object_new_object();
	json_object_object_add(arguments, "val", json_object_new_int64((int64_t)pa));
	json_object_object_add(arguments, "size", json_object_new_int64((int64_t)len));
	json_object_object_add(arguments, "filename", json_object_new_string(q->save));
	rc = pw_qmp_run(&q->qmp, "pmemsave", arguments, NULL, &err);
	if (rc)
		return rc == -ECONNRESET ? rc : -EFAULT;
	return pw_system_pread(q->save_fd, buf, len, 0);
}

static int qemu_read(struct pw_source *src, uint64_t pa, void *buf, size_t len)
{
	struct pw_qemu *q = src->priv;
	char *to = buf;

	while (len) {
		const struct pw_qemu_ram *r = find(q, pa);
		size_t n;
		int rc;

		if (!r)
			return -ENXIO;
		n = r->bytes - (pa - r->pa) < len ? (size_t)(r->bytes - (pa - r->pa)) : len;
		rc = r->fd >= 0 ? pw_system_pread(r->fd, to, n, r->at + (pa - r->pa)) : read_by_pmemsave(q, pa, to, n);
		if (rc)
			return rc;
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

/* The entries above a batch, after its tables were copied. */
static int check_batch(struct pw_source *src, struct pw_table_req *req, const struct pw_chain *chain)
{
	uint64_t words[PW_CHAIN_WORDS];
	int rc = 0;

	for (size_t i = 0; i < chain->nparts && !rc; i++) {
		const struct pw_chain_part *part = &chain->part[i];

		rc = qemu_read(src, part->pa, &words[part->at], part->n * sizeof(words[0]));
	}
	if (rc)
		return rc;
	for (size_t r = 0; r < chain->n; r++)
		if (!req[r].status && !pw_chain_holds(chain, req, r, words))
			req[r].status = -EAGAIN;
	return 0;
}

static int qemu_read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	struct pw_qemu *q = src->priv;
	struct pw_chain chain;
	int rc = 0;

	for (size_t done = 0; done < n && !rc; done += chain.n) {
		struct pw_table_req *part = req + done;

		rc = pw_chain_build(&chain, part, n - done);
		for (size_t i = 0; i < chain.n && !rc; i++) {
			int status = qemu_read(src, part[i].pa, part[i].buf, part[i].bytes);

			part[i].data = part[i].buf;
			part[i].status = status && status != -ENXIO ? -EFAULT : status;
		}
		if (!rc && src->consistency == PW_VALIDATED)
			rc = check_batch(src, part, &chain);
		/* Its memory outlives a guest that has died. */
		if (!pw_qmp_alive(&q->qmp))
			rc = -ECONNRESET;
	}
	return rc;
}

static int qemu_ranges(struct pw_source *src, const struct pw_range **ranges, size_t *n)
{
	const struct pw_qemu *q = src->priv;

	*ranges = q->range;
	*n = q->nranges;
	return 0;
}

/* -------- the CPUs -------- */

static const char *hex_after(const char *text, const char *key, uint64_t *out)
{
	const char *at = strstr(text, key);

	return at && sscanf(at + strlen(key), "%" SCNx64, out) == 1 ? at : NULL;
}

/* `info registers -a`: "CPU#0", then lines with "CR0=80050033 CR2=... CR3=... CR4=...", "EFER=...". */
static int read_cpus(struct pw_qemu *q, struct pw_error *err)
{
	char *text, *at;
	int rc = pw_qmp_human(&q->qmp, "info registers -a", &text, err);

	if (rc)
		return rc;
	for (at = strstr(text, "CPU#"); at && q->ncpus < PW_QEMU_MAX_CPUS;) {
		char *next = strstr(at + 4, "CPU#");
		struct pw_registers *cpu = &q->cpu[q->ncpus++];

		if (next)
			next[-1] = 0;
		cpu->known = hex_after(at, "CR0=", &cpu->cr0) && hex_after(at, "CR3=", &cpu->cr3) &&
			     hex_after(at, "CR4=", &cpu->cr4);
		cpu->has_efer = cpu->known && hex_after(at, "EFER=", &cpu->efer);
		at = next;
	}
	free(text);
	return 0;
}

static int read_status(struct pw_qemu *q, struct pw_error *err)
{
	struct json_object *status, *running;
	int rc = pw_qmp_run(&q->qmp, "query-status", NULL, &status, err);

	if (rc)
		return rc;
	q->was_running = json_object_object_get_ex(status, "running", &running) && json_object_get_boolean(running);
	json_object_put(status);
	return 0;
}

/* -------- opening -------- */

static void qemu_close(struct pw_source *src)
{
	struct pw_qemu *q = src->priv;

	if (q->stopped)
		pw_qmp_run(&q->qmp, "cont", NULL, NULL, NULL);
	for (size_t i = 0; i < q->nram; i++) {
		bool first = true;

		for (size_t j = 0; j < i; j++)
			first &= q->ram[j].fd != q->ram[i].fd;
		if (first && q->ram[i].fd >= 0)
			close(q->ram[i].fd);
	}
	if (q->save[0]) {
		unlink(q->save);
		close(q->save_fd);
	}
	pw_qmp_close(&q->qmp);
	free(q->ram);
	free(q->range);
	free(q);
	src->priv = NULL;
}

static int look_around(struct pw_qemu *q, bool stop, struct pw_error *err)
{
	int rc = read_status(q, err);

	if (!rc && stop && q->was_running) {
		rc = pw_qmp_run(&q->qmp, "stop", NULL, NULL, err);
		q->stopped = !rc;
	}
	if (!rc)
		rc = pw_qemu_find_ram(q, err);
	return rc ? rc : read_cpus(q, err);
}

int pw_qemu_open(const char *socket, bool stop, struct pw_source *src, struct pw_error *err)
{
	struct pw_qemu *q = calloc(1, sizeof(*q));
	struct pw_error why = { 0 };
	int rc;

	if (!q)
		return pw_error_set(err, -ENOMEM, "out of memory");
	rc = pw_qmp_open(&q->qmp, socket, err);
	if (rc) {
		free(q);
		return rc;
	}
	src->ops = &pw_source_qemu;
	src->priv = q;
	rc = look_around(q, stop, &why);
	if (rc) {
		qemu_close(src);
		*src = (struct pw_source){ 0 };
		return pw_error_set(err, rc, "%s: %s", socket, why.text);
	}
	src->consistency = q->was_running && !q->stopped ? PW_VALIDATED : PW_FROZEN;
	return 0;
}

/* QEMU drops what it has not begun when its client hangs up: wait for it, a little. */
void pw_qemu_let_go(const struct pw_source *src)
{
	static const char cont[] = "{\"execute\":\"cont\"}\n";
	const struct pw_qemu *q = pw_qemu_of(src);
	struct pollfd p = { .fd = q ? q->qmp.fd : -1, .events = POLLIN };
	char buf[4096];
	ssize_t n = 1;

	if (!q || !q->stopped || write(q->qmp.fd, cont, sizeof(cont) - 1) < 0)
		return;
	while (n > 0 && poll(&p, 1, 1000) > 0) {
		n = read(p.fd, buf, sizeof(buf));
		if (n > 0 && memmem(buf, (size_t)n, "\"RESUME\"", 8))
			break;
	}
}

bool pw_qemu_gone(const struct pw_source *src)
{
	const struct pw_qemu *q = pw_qemu_of(src);

	return q && !pw_qmp_alive(&q->qmp);
}

static int qemu_open(const char *arg, struct pw_source *src, struct pw_error *err)
{
	return pw_qemu_open(arg, false, src, err);
}

static void qemu_probe(struct pw_probe *out)
{
	*out = (struct pw_probe){ .state = PW_PROBE_OK, .gives = "a guest's memory" };
}

const struct pw_qemu *pw_qemu_of(const struct pw_source *src)
{
	return src->ops == &pw_source_qemu ? src->priv : NULL;
}

const struct pw_source_ops pw_source_qemu = {
	.name = "qemu",
	.caps = PW_CAP_TABLES | PW_CAP_MEMORY,
	.consistency = PW_VALIDATED,
	.probe = qemu_probe,
	.open = qemu_open,
	.close = qemu_close,
	.read_tables = qemu_read_tables,
	.read = qemu_read,
	.ranges = qemu_ranges,
};
