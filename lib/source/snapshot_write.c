/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define LEVEL 6
#define TRIES 100

struct table {
	uint64_t pa, hash;
	uint32_t space, owner; /* space 0: for all; who brought it */
	uint32_t section, offset, bytes, next;
};

struct slot {
	uint32_t space, flags;
	uint64_t address, raw;
};

struct pw_snapshot_writer {
	int fd;
	int dir;                 /* of the file; -1: it gets no name */
	char *name;              /* in dir */
	char temp[NAME_MAX + 1]; /* its name while it is written, where O_TMPFILE does not work; "" none */
	uint64_t at;
	struct pw_error err;

	struct pw_snapshot_section *section;
	uint32_t nsections, rsections;
	ZSTD_CCtx *zstd;

	uint8_t *block; /* tables that wait */
	size_t block_len;
	struct table *table;
	uint32_t ntables, rtables;
	uint32_t *bucket, nbuckets; /* table + 1 */
	uint64_t table_bytes;
	struct slot *slot;
	uint32_t nslots, rslots;
};

static int fail(struct pw_snapshot_writer *w, int rc, const char *text)
{
	if (!w->err.text[0])
		pw_error_set(&w->err, rc, "%s", text);
	return rc;
}

static int no_memory(struct pw_snapshot_writer *w)
{
	return fail(w, -ENOMEM, "out of memory");
}

/* Room for one more of n. */
static bool grow(void **v, uint32_t n, uint32_t *room, size_t size)
{
	uint32_t want = *room ? 2 * *room : 64;
	void *more;

	if (n < *room)
		return true;
	more = reallocarray(*v, want, size);
	if (!more)
		return false;
	*v = more;
	*room = want;
	return true;
}

#define GROW(w, v, n, room) grow((void **)&(w)->v, (w)->n, &(w)->room, sizeof(*(w)->v))

/* ---- the file and its name ---- */

static int unnamed(struct pw_snapshot_writer *w)
{
	const char *where = getenv("TMPDIR");

	w->dir = -1;
	w->fd = open(where && *where ? where : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (w->fd < 0)
		w->fd = memfd_create("pagewalk-snapshot", MFD_CLOEXEC);
	return w->fd < 0 ? -errno : 0;
}

/* What is there is replaced, behind symbolic links too; a device or a directory is not. */
static char *real_name(const char *path, int *rc)
{
	char *real = realpath(path, NULL);
	struct stat st;

	*rc = 0;
	if (!real)
		return strdup(path);
	if (stat(real, &st) || !S_ISREG(st.st_mode)) {
		*rc = -EEXIST;
		free(real);
		return NULL;
	}
	return real;
}

/* Another name beside the file's, for as long as it is needed. */
static void temp_name(struct pw_snapshot_writer *w, unsigned nr)
{
	snprintf(w->temp, sizeof(w->temp), ".%.200s.%u.%u", w->name, (unsigned)getpid(), nr);
}

static int open_temp(struct pw_snapshot_writer *w)
{
	w->fd = openat(w->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (unsigned i = 0; w->fd < 0 && i < TRIES; i++) {
		temp_name(w, i);
		w->fd = openat(w->dir, w->temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (w->fd < 0 && errno != EEXIST)
			break;
	}
	if (w->fd >= 0)
		return 0;
	w->temp[0] = 0;
	return -errno;
}

static int named(struct pw_snapshot_writer *w, const char *path, struct pw_error *err)
{
	int rc;
	char *real = real_name(path, &rc), *slash;

	if (!real)
		return rc ? pw_error_set(err, rc, "%s: is there and is no plain file: it is not replaced", path)
			  : pw_error_set(err, -ENOMEM, "out of memory");
	slash = strrchr(real, '/');
	w->name = strdup(slash ? slash + 1 : real);
	if (slash)
		slash[slash == real] = 0;
	w->dir = open(slash ? real : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = w->dir < 0 ? -errno : !w->name ? -ENOMEM : !*w->name ? -EISDIR : open_temp(w);
	free(real);
	return rc ? pw_error_set(err, rc, "%s: %s", path, strerror(-rc)) : 0;
}

/* From no name to one that is not taken. */
static int link_to(struct pw_snapshot_writer *w, const char *name)
{
	char self[32];

	if (!linkat(w->fd, "", w->dir, name, AT_EMPTY_PATH))
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", w->fd);
	return linkat(AT_FDCWD, self, w->dir, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

static int give_name(struct pw_snapshot_writer *w)
{
	int rc = -EEXIST;

	if (!w->temp[0]) {
		rc = link_to(w, w->name);
		if (rc != -EEXIST)
			return rc;
		for (unsigned i = 0; rc == -EEXIST && i < TRIES; i++) {
			temp_name(w, i);
			rc = link_to(w, w->temp);
		}
		if (rc) {
			w->temp[0] = 0;
			return rc;
		}
	}
	if (renameat(w->dir, w->temp, w->dir, w->name))
		return -errno;
	w->temp[0] = 0;
	return 0;
}

int pw_snapshot_writer_open(const char *path, struct pw_snapshot_writer **out, struct pw_error *err)
{
	struct pw_snapshot_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return pw_error_set(err, -ENOMEM, "out of memory");
	w->fd = w->dir = -1;
	w->at = PW_SNAPSHOT_HEADER;
	w->block = malloc(PW_SNAPSHOT_BLOCK);
	w->zstd = ZSTD_createCCtx();
	if (!w->block || !w->zstd)
		rc = pw_error_set(err, -ENOMEM, "out of memory");
	else if (path)
		rc = named(w, path, err);
	else if ((rc = unnamed(w)))
		pw_error_set(err, rc, "no temporary file: %s", strerror(-rc));
	if (rc) {
		pw_snapshot_writer_abort(w);
		return rc;
	}
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
	*out = w;
	return 0;
}

void pw_snapshot_writer_abort(struct pw_snapshot_writer *w)
{
	if (!w)
		return;
	if (w->temp[0])
		unlinkat(w->dir, w->temp, 0);
	if (w->fd >= 0)
		close(w->fd);
	if (w->dir >= 0)
		close(w->dir);
	ZSTD_freeCCtx(w->zstd);
	free(w->name);
	free(w->section);
	free(w->block);
	free(w->table);
	free(w->bucket);
	free(w->slot);
	free(w);
}

static int write_at(struct pw_snapshot_writer *w, const void *data, size_t len, uint64_t at)
{
	const uint8_t *from = data;

	while (len) {
		ssize_t n = pwrite(w->fd, from, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(w, n < 0 ? -errno : -EIO, n < 0 ? strerror(errno) : "nothing could be written");
		from += n;
		at += n;
		len -= n;
	}
	return 0;
}

static int put(struct pw_snapshot_writer *w, enum pw_snapshot_type type, const void *raw, size_t len, uint32_t *nr)
{
	size_t most = ZSTD_compressBound(len), n;
	uint8_t *stored;
	int rc;

	if (len > pw_snapshot_most(type) || w->nsections == PW_SNAPSHOT_MAX_SECTIONS)
		return fail(w, -EFBIG, "too much for one snapshot: take fewer TARGETs");
	stored = malloc(most);
	if (!stored || !GROW(w, section, nsections, rsections)) {
		free(stored);
		return no_memory(w);
	}
	n = ZSTD_compress2(w->zstd, stored, most, raw, len);
	rc = ZSTD_isError(n) ? fail(w, -EIO, ZSTD_getErrorName(n)) : write_at(w, stored, n, w->at);
	if (!rc) {
		w->section[w->nsections] = (struct pw_snapshot_section){ type, (uint32_t)crc32(0, stored, n), w->at,
									 (uint32_t)n, (uint32_t)len };
		if (nr)
			*nr = w->nsections;
		w->nsections++;
		w->at += n;
	}
	free(stored);
	return rc;
}

int pw_snapshot_put(struct pw_snapshot_writer *w, enum pw_snapshot_type type, const struct pw_pack *content,
		    uint32_t *nr)
{
	return content->failed ? no_memory(w) : put(w, type, content->buf ? content->buf : w->block, content->len, nr);
}

/* ---- tables ---- */

static int flush_block(struct pw_snapshot_writer *w)
{
	uint64_t last = 0, word;
	uint32_t nr;
	int rc;

	if (!w->block_len)
		return 0;
	/* Neighbouring entries lead to neighbouring frames: differences compress well. */
	for (size_t i = 0; i < w->block_len; i += 8) {
		memcpy(&word, w->block + i, 8);
		pw_put_le64(w->block + i, word - last);
		last = word;
	}
	rc = put(w, PW_SNAPSHOT_TABLES, w->block, w->block_len, &nr);
	for (uint32_t i = w->ntables; !rc && i-- > 0 && w->table[i].section == UINT32_MAX;)
		w->table[i].section = nr;
	w->block_len = 0;
	return rc;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/* Tells copies of the same table apart; nothing else relies on it. */
static uint64_t hash_words(const uint64_t *words, size_t n, uint64_t ignore)
{
	uint64_t h = n;

	for (size_t i = 0; i < n; i++)
		h = mix(h, words[i] & ~ignore);
	return h;
}

static uint32_t bucket_of(const struct pw_snapshot_writer *w, uint64_t pa)
{
	return (uint32_t)(mix(1, pa) >> 16) & (w->nbuckets - 1);
}

static bool rehash(struct pw_snapshot_writer *w)
{
	uint32_t n = w->nbuckets ? 2 * w->nbuckets : 1024;
	uint32_t *bucket = calloc(n, sizeof(*bucket));

	if (!bucket)
		return false;
	free(w->bucket);
	w->bucket = bucket;
	w->nbuckets = n;
	for (uint32_t i = 0; i < w->ntables; i++) {
		uint32_t *b = &bucket[bucket_of(w, w->table[i].pa)];

		w->table[i].next = *b;
		*b = i + 1;
	}
	return true;
}

static int add_table(struct pw_snapshot_writer *w, const struct table *t, const uint64_t *words)
{
	uint32_t *b;
	int rc = 0;

	if (w->ntables == PW_SNAPSHOT_MAX_TABLES)
		return fail(w, -EFBIG, "more than 524288 tables: take fewer TARGETs");
	if (w->block_len + t->bytes > PW_SNAPSHOT_BLOCK)
		rc = flush_block(w);
	if (rc)
		return rc;
	if ((w->ntables >= w->nbuckets && !rehash(w)) || !GROW(w, table, ntables, rtables))
		return no_memory(w);
	b = &w->bucket[bucket_of(w, t->pa)];
	w->table[w->ntables] = *t;
	w->table[w->ntables].section = UINT32_MAX;
	w->table[w->ntables].offset = (uint32_t)w->block_len;
	w->table[w->ntables].next = *b;
	*b = ++w->ntables;
	memcpy(w->block + w->block_len, words, t->bytes);
	w->block_len += t->bytes;
	w->table_bytes += t->bytes;
	return 0;
}

int pw_snapshot_put_table(struct pw_snapshot_writer *w, uint32_t space, bool alone, uint64_t pa, const uint64_t *words,
			  size_t bytes, uint64_t ignore)
{
	struct table t = { .pa = pa, .space = alone ? space : 0, .owner = space, .bytes = (uint32_t)bytes };

	if (bytes > PW_SNAPSHOT_BLOCK)
		return fail(w, -EINVAL, "a table of an unknown size");
	for (uint32_t i = w->nbuckets ? w->bucket[bucket_of(w, pa)] : 0; i; i = w->table[i - 1].next)
		if (w->table[i - 1].pa == pa && w->table[i - 1].owner == space)
			return 0; /* within a space the first copy counts */
	t.hash = hash_words(words, bytes / 8, ignore);
	for (uint32_t i = w->nbuckets ? w->bucket[bucket_of(w, pa)] : 0; i; i = w->table[i - 1].next) {
		const struct table *other = &w->table[i - 1];

		if (other->pa != pa || other->space)
			continue;
		if (other->hash == t.hash && other->bytes == bytes)
			return 0;
		t.space = space;
	}
	return add_table(w, &t, words);
}

int pw_snapshot_put_slot(struct pw_snapshot_writer *w, uint32_t space, uint64_t address, uint32_t flags, uint64_t raw)
{
	if (w->nslots == PW_SNAPSHOT_MAX_SLOTS)
		return fail(w, -EFBIG, "too many entries that changed or cannot be followed: take fewer TARGETs");
	if (!GROW(w, slot, nslots, rslots))
		return no_memory(w);
	w->slot[w->nslots++] = (struct slot){ space, flags, address, raw };
	return 0;
}

/* ---- the end ---- */

static int compare(uint32_t s, uint32_t t, uint64_t a, uint64_t b)
{
	return s != t ? (s > t) - (s < t) : (a > b) - (a < b);
}

static int by_place(const void *a, const void *b)
{
	const struct table *t = a, *u = b;

	return compare(t->space, u->space, t->pa, u->pa);
}

static int by_slot(const void *a, const void *b)
{
	const struct slot *s = a, *t = b;

	return compare(s->space, t->space, s->address, t->address);
}

static int put_index(struct pw_snapshot_writer *w)
{
	struct pw_pack p = { 0 };
	int rc;

	/* So that a damaged count cannot be, and the order of the file is that of the search. */
	if (w->ntables)
		qsort(w->table, w->ntables, sizeof(*w->table), by_place);
	for (uint32_t i = 0; i < w->ntables; i++) {
		pw_pack_u32(&p, w->table[i].space);
		pw_pack_u32(&p, w->table[i].section);
		pw_pack_u64(&p, w->table[i].pa);
		pw_pack_u32(&p, w->table[i].offset);
		pw_pack_u32(&p, w->table[i].bytes);
	}
	rc = pw_snapshot_put(w, PW_SNAPSHOT_INDEX, &p, NULL);
	pw_pack_free(&p);
	return rc;
}

/* What was noted of one slot more than once becomes one record. */
static int put_slots(struct pw_snapshot_writer *w)
{
	struct pw_pack p = { 0 };
	int rc;

	if (w->nslots)
		qsort(w->slot, w->nslots, sizeof(*w->slot), by_slot);
	for (uint32_t i = 0; i < w->nslots; i++) {
		struct slot s = w->slot[i];

		for (; i + 1 < w->nslots && !by_slot(&s, &w->slot[i + 1]); i++) {
			s.flags |= w->slot[i + 1].flags;
			if (w->slot[i + 1].flags & PW_SNAPSHOT_SLOT_RAW)
				s.raw = w->slot[i + 1].raw;
		}
		pw_pack_u32(&p, s.space);
		pw_pack_u32(&p, s.flags);
		pw_pack_u64(&p, s.address);
		pw_pack_u64(&p, s.raw);
	}
	rc = pw_snapshot_put(w, PW_SNAPSHOT_SLOTS, &p, NULL);
	pw_pack_free(&p);
	return rc;
}

static int put_toc(struct pw_snapshot_writer *w, struct pw_pack *toc)
{
	for (uint32_t i = 0; i < w->nsections; i++) {
		pw_pack_u32(toc, w->section[i].type);
		pw_pack_u32(toc, w->section[i].crc);
		pw_pack_u64(toc, w->section[i].offset);
		pw_pack_u32(toc, w->section[i].stored);
		pw_pack_u32(toc, w->section[i].raw);
	}
	return toc->failed ? no_memory(w) : write_at(w, toc->buf, toc->len, w->at);
}

static int put_header(struct pw_snapshot_writer *w, const struct pw_pack *toc)
{
	uint8_t h[PW_SNAPSHOT_HEADER] = PW_SNAPSHOT_MAGIC;

	pw_put_le32(h + 16, PW_SNAPSHOT_VERSION);
	pw_put_le32(h + 20, w->nsections);
	pw_put_le64(h + 24, w->at + toc->len);
	pw_put_le64(h + 32, w->at);
	pw_put_le32(h + 40, (uint32_t)crc32(0, toc->buf, toc->len));
	pw_put_le32(h + 60, (uint32_t)crc32(0, h, 60));
	return write_at(w, h, sizeof(h), 0);
}

static int finish(struct pw_snapshot_writer *w)
{
	struct pw_pack toc = { 0 };
	int rc = flush_block(w);

	if (!rc)
		rc = put_index(w);
	if (!rc)
		rc = put_slots(w);
	if (!rc)
		rc = put_toc(w, &toc);
	if (!rc)
		rc = put_header(w, &toc);
	w->at += toc.len;
	pw_pack_free(&toc);
	if (!rc && w->dir >= 0 && fsync(w->fd))
		rc = fail(w, -errno, strerror(errno));
	if (!rc && w->dir >= 0) {
		rc = give_name(w);
		if (rc)
			fail(w, rc, strerror(-rc));
	}
	if (!rc && w->dir >= 0)
		fsync(w->dir);
	return rc;
}

int pw_snapshot_writer_finish(struct pw_snapshot_writer *w, struct pw_snapshot_sizes *sizes, int *fd,
			      struct pw_error *err)
{
	int rc = w->err.text[0] ? w->err.code : finish(w);

	if (rc) {
		pw_error_set(err, rc, "%s%s%s", w->name ? w->name : "", w->name ? ": " : "", w->err.text);
	} else {
		*sizes = (struct pw_snapshot_sizes){ w->ntables, w->table_bytes, w->at };
		if (fd) {
			*fd = w->fd;
			w->fd = -1;
		}
	}
	pw_snapshot_writer_abort(w);
	return rc;
}
