/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A snapshot's file (snapshot.h) for reading: everything in it is checked before it is used. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "pack.h"
#include "snapshot.h"
#include "system.h"

#define CACHED  16
#define READ_AT (64u << 10)

struct block {
	uint32_t section; /* + 1; 0: none */
	uint64_t used;    /* the higher, the later */
	uint8_t *words;
};

struct pw_snapshot_file {
	int fd;
	char *path;
	uint64_t bytes, toc_offset;
	uint32_t toc_crc;
	struct pw_snapshot_section *section;
	uint32_t nsections;
	uint8_t *index, *slots; /* as in the file */
	size_t ntables, nslots;
	struct block cache[CACHED];
	uint64_t clock;
	ZSTD_DCtx *zstd;
};

bool pw_snapshot_is(const char *head, size_t len)
{
	return len >= 16 && !memcmp(head, PW_SNAPSHOT_MAGIC, 16);
}

int pw_snapshot_damaged(const struct pw_snapshot_file *f, const char *what, struct pw_error *err)
{
	return pw_error_set(err, -EINVAL, "%s: the snapshot is damaged (%s): get another copy, or take it again",
			    f->path, what);
}

/* ---- header and table of contents ---- */

static int read_header(struct pw_snapshot_file *f, struct pw_error *err)
{
	uint8_t h[PW_SNAPSHOT_HEADER];
	struct stat st;

	if (fstat(f->fd, &st))
		return pw_error_set(err, -errno, "%s: %s", f->path, strerror(errno));
	if (pw_system_pread(f->fd, h, sizeof(h), 0))
		return pw_snapshot_damaged(f, "it is shorter than its header", err);
	if (!pw_snapshot_is((const char *)h, sizeof(h)) || pw_get_le32(h + 60) != crc32(0, h, 60))
		return pw_snapshot_damaged(f, "the header's checksum is another", err);
	if (pw_get_le32(h + 16) != PW_SNAPSHOT_VERSION)
		return pw_error_set(err, -EOPNOTSUPP, "%s: a snapshot of format %u; this pagewalk reads format %d",
				    f->path, pw_get_le32(h + 16), PW_SNAPSHOT_VERSION);
	f->nsections = pw_get_le32(h + 20);
	f->bytes = pw_get_le64(h + 24);
	f->toc_offset = pw_get_le64(h + 32);
	f->toc_crc = pw_get_le32(h + 40);
	if (f->bytes != (uint64_t)st.st_size)
		return pw_snapshot_damaged(f, "it has another length than when it was written", err);
	if (f->nsections > PW_SNAPSHOT_MAX_SECTIONS || f->toc_offset < sizeof(h) || f->toc_offset > f->bytes ||
	    f->bytes - f->toc_offset != (uint64_t)f->nsections * PW_SNAPSHOT_TOC_ENTRY)
		return pw_snapshot_damaged(f, "the table of contents does not fit", err);
	return 0;
}

/* Sections lie one after the other from the header to the table of contents: no byte is in none. */
static int take_section(struct pw_snapshot_file *f, const uint8_t *e, uint64_t *at, struct pw_snapshot_section *s)
{
	*s = (struct pw_snapshot_section){ pw_get_le32(e), pw_get_le32(e + 4), pw_get_le64(e + 8), pw_get_le32(e + 16),
					   pw_get_le32(e + 20) };
	if (s->offset != *at || s->stored > f->toc_offset - *at || s->raw > pw_snapshot_most(s->type) ||
	    s->stored > ZSTD_compressBound(s->raw))
		return -EINVAL;
	*at += s->stored;
	return 0;
}

static int read_toc(struct pw_snapshot_file *f, struct pw_error *err)
{
	size_t bytes = (size_t)f->nsections * PW_SNAPSHOT_TOC_ENTRY;
	uint8_t *toc = malloc(bytes + 1);
	uint64_t at = PW_SNAPSHOT_HEADER;
	int rc = 0;

	f->section = calloc(f->nsections + 1, sizeof(*f->section));
	if (!toc || !f->section)
		rc = pw_error_set(err, -ENOMEM, "out of memory");
	else if (pw_system_pread(f->fd, toc, bytes, f->toc_offset) || crc32(0, toc, bytes) != f->toc_crc)
		rc = pw_snapshot_damaged(f, "the checksum of its table of contents is another", err);
	for (uint32_t i = 0; i < f->nsections && !rc; i++)
		if (take_section(f, toc + i * PW_SNAPSHOT_TOC_ENTRY, &at, &f->section[i]))
			rc = pw_snapshot_damaged(f, "its table of contents is wrong", err);
	if (!rc && at != f->toc_offset)
		rc = pw_snapshot_damaged(f, "its table of contents is wrong", err);
	free(toc);
	return rc;
}

static int section_damaged(const struct pw_snapshot_file *f, uint32_t nr, struct pw_error *err)
{
	return pw_error_set(err, -EINVAL,
			    "%s: the snapshot is damaged (the checksum of section %u is another): get another copy, or "
			    "take it again",
			    f->path, nr);
}

static int verify_section(struct pw_snapshot_file *f, uint32_t nr, uint8_t *buf, struct pw_error *err)
{
	const struct pw_snapshot_section *s = &f->section[nr];
	uint32_t crc = 0;

	for (uint32_t done = 0; done < s->stored;) {
		uint32_t n = s->stored - done < READ_AT ? s->stored - done : READ_AT;

		if (pw_system_pread(f->fd, buf, n, s->offset + done))
			return pw_error_set(err, -EIO, "%s: cannot be read", f->path);
		crc = crc32(crc, buf, n);
		done += n;
	}
	return crc == s->crc ? 0 : section_damaged(f, nr, err);
}

static int verify(struct pw_snapshot_file *f, struct pw_error *err)
{
	uint8_t *buf = f->bytes <= PW_SNAPSHOT_VERIFY ? malloc(READ_AT) : NULL;
	int rc = 0;

	for (uint32_t i = 0; buf && i < f->nsections && !rc; i++)
		rc = verify_section(f, i, buf, err);
	free(buf);
	return rc;
}

/* ---- sections ---- */

int pw_snapshot_only(const struct pw_snapshot_file *f, enum pw_snapshot_type type, uint32_t *nr)
{
	for (uint32_t i = 0; i < f->nsections; i++)
		if (f->section[i].type == type) {
			*nr = i;
			return 0;
		}
	return -ENOENT;
}

/* Into buf, which has room for its content. */
static int unpack_section(struct pw_snapshot_file *f, uint32_t nr, uint8_t *buf, struct pw_error *err)
{
	const struct pw_snapshot_section *s = &f->section[nr];
	uint8_t *stored = malloc(s->stored + 1);
	int rc = 0;

	if (!stored)
		return pw_error_set(err, -ENOMEM, "out of memory");
	if (pw_system_pread(f->fd, stored, s->stored, s->offset))
		rc = pw_error_set(err, -EIO, "%s: cannot be read", f->path);
	else if (crc32(0, stored, s->stored) != s->crc)
		rc = section_damaged(f, nr, err);
	else if (ZSTD_getFrameContentSize(stored, s->stored) != s->raw ||
		 ZSTD_decompressDCtx(f->zstd, buf, s->raw, stored, s->stored) != s->raw)
		rc = pw_snapshot_damaged(f, "a section does not unpack", err);
	free(stored);
	return rc;
}

int pw_snapshot_content(struct pw_snapshot_file *f, uint32_t nr, enum pw_snapshot_type type, uint8_t **buf, size_t *len,
			struct pw_error *err)
{
	uint8_t *content;
	int rc;

	if (nr >= f->nsections || f->section[nr].type != type)
		return pw_snapshot_damaged(f, "a section is missing", err);
	content = malloc(f->section[nr].raw + 1);
	if (!content)
		return pw_error_set(err, -ENOMEM, "out of memory");
	rc = unpack_section(f, nr, content, err);
	if (rc) {
		free(content);
		return rc;
	}
	*buf = content;
	*len = f->section[nr].raw;
	return 0;
}

/* The words of a section of tables, good until the next call. NULL: damaged. */
static const uint8_t *block(struct pw_snapshot_file *f, uint32_t nr)
{
	struct block *b = &f->cache[0];
	uint64_t sum = 0;

	for (unsigned i = 0; i < CACHED; i++) {
		if (f->cache[i].section == nr + 1) {
			f->cache[i].used = ++f->clock;
			return f->cache[i].words;
		}
		if (f->cache[i].used < b->used)
			b = &f->cache[i];
	}
	if (!b->words)
		b->words = malloc(PW_SNAPSHOT_BLOCK);
	b->section = 0;
	if (!b->words || unpack_section(f, nr, b->words, NULL))
		return NULL;
	for (uint32_t i = 0; i + 8 <= f->section[nr].raw; i += 8) {
		sum += pw_get_le64(b->words + i);
		memcpy(b->words + i, &sum, sizeof(sum)); /* in the order of this machine from here on */
	}
	b->section = nr + 1;
	b->used = ++f->clock;
	return b->words;
}

/* ---- index and slots ---- */

static uint64_t address_of(const uint8_t *rec)
{
	return pw_get_le64(rec + 8);
}

/* Whether a record comes before (space, address). */
static bool before(const uint8_t *rec, uint32_t space, uint64_t address)
{
	uint32_t s = pw_get_le32(rec);

	return s != space ? s < space : address_of(rec) < address;
}

/* How many records come before (space, address). */
static size_t lower_bound(const uint8_t *recs, size_t n, uint32_t space, uint64_t address)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (before(recs + mid * PW_SNAPSHOT_RECORD, space, address))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool ascending(const uint8_t *recs, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const uint8_t *rec = recs + i * PW_SNAPSHOT_RECORD;

		if (!before(rec - PW_SNAPSHOT_RECORD, pw_get_le32(rec), address_of(rec)))
			return false;
	}
	return true;
}

static bool index_is_good(const struct pw_snapshot_file *f)
{
	for (size_t i = 0; i < f->ntables; i++) {
		const uint8_t *rec = f->index + i * PW_SNAPSHOT_RECORD;
		uint32_t section = pw_get_le32(rec + 4), offset = pw_get_le32(rec + 16), bytes = pw_get_le32(rec + 20);

		if (section >= f->nsections || f->section[section].type != PW_SNAPSHOT_TABLES)
			return false;
		if (bytes == 0 || bytes % 8 || offset % 8 || offset > f->section[section].raw ||
		    bytes > f->section[section].raw - offset || address_of(rec) > UINT64_MAX - bytes)
			return false;
	}
	return ascending(f->index, f->ntables);
}

static int read_records(struct pw_snapshot_file *f, enum pw_snapshot_type type, size_t most, uint8_t **recs, size_t *n,
			struct pw_error *err)
{
	uint32_t nr = UINT32_MAX;
	size_t len;
	int rc;

	pw_snapshot_only(f, type, &nr);
	rc = pw_snapshot_content(f, nr, type, recs, &len, err);
	if (rc)
		return rc;
	*n = len / PW_SNAPSHOT_RECORD;
	return len % PW_SNAPSHOT_RECORD || *n > most ? pw_snapshot_damaged(f, "its index is wrong", err) : 0;
}

static int read_index(struct pw_snapshot_file *f, struct pw_error *err)
{
	int rc = read_records(f, PW_SNAPSHOT_INDEX, PW_SNAPSHOT_MAX_TABLES, &f->index, &f->ntables, err);

	if (!rc)
		rc = read_records(f, PW_SNAPSHOT_SLOTS, PW_SNAPSHOT_MAX_SLOTS, &f->slots, &f->nslots, err);
	if (!rc && (!index_is_good(f) || !ascending(f->slots, f->nslots)))
		rc = pw_snapshot_damaged(f, "its index is wrong", err);
	return rc;
}

/* The table of that space that holds [pa, pa + len). */
static const uint8_t *find(const struct pw_snapshot_file *f, uint32_t space, uint64_t pa, size_t len)
{
	size_t i = lower_bound(f->index, f->ntables, space, pa);
	const uint8_t *rec = f->index + i * PW_SNAPSHOT_RECORD;
	uint64_t in;

	if (i == f->ntables || pw_get_le32(rec) != space || address_of(rec) != pa) {
		if (i == 0)
			return NULL;
		rec -= PW_SNAPSHOT_RECORD;
	}
	if (pw_get_le32(rec) != space || address_of(rec) > pa)
		return NULL;
	in = pa - address_of(rec);
	return in < pw_get_le32(rec + 20) && len <= pw_get_le32(rec + 20) - in ? rec : NULL;
}

/* Entries that were found to be others when they were looked up again. */
static void patch(const struct pw_snapshot_file *f, uint32_t space, uint64_t pa, uint8_t *buf, size_t len)
{
	for (size_t i = lower_bound(f->slots, f->nslots, space, pa); i < f->nslots; i++) {
		const uint8_t *rec = f->slots + i * PW_SNAPSHOT_RECORD;
		uint64_t raw = pw_get_le64(rec + 16);

		if (pw_get_le32(rec) != space || address_of(rec) - pa > len - sizeof(raw))
			return;
		if ((pw_get_le32(rec + 4) & PW_SNAPSHOT_SLOT_RAW) && address_of(rec) % 8 == 0)
			memcpy(buf + (address_of(rec) - pa), &raw, sizeof(raw));
	}
}

int pw_snapshot_table(struct pw_snapshot_file *f, uint32_t space, uint64_t pa, void *buf, size_t len)
{
	const uint8_t *rec = space ? find(f, space, pa, len) : NULL, *words;

	if (!rec)
		rec = find(f, 0, pa, len);
	words = rec ? block(f, pw_get_le32(rec + 4)) : NULL;
	if (!words)
		return -EFAULT;
	memcpy(buf, words + pw_get_le32(rec + 16) + (pa - address_of(rec)), len);
	if (f->nslots && len >= sizeof(uint64_t))
		patch(f, space, pa, buf, len);
	return 0;
}

uint32_t pw_snapshot_slot(const struct pw_snapshot_file *f, uint32_t space, uint64_t address)
{
	size_t i = f->nslots ? lower_bound(f->slots, f->nslots, space, address) : 0;
	const uint8_t *rec = f->slots + i * PW_SNAPSHOT_RECORD;

	return i < f->nslots && pw_get_le32(rec) == space && address_of(rec) == address ? pw_get_le32(rec + 4) : 0;
}

bool pw_snapshot_slot_from(const struct pw_snapshot_file *f, uint32_t space, uint64_t *address, uint32_t *flags)
{
	size_t i = f->nslots ? lower_bound(f->slots, f->nslots, space, *address) : 0;
	const uint8_t *rec = f->slots + i * PW_SNAPSHOT_RECORD;

	if (i >= f->nslots || pw_get_le32(rec) != space)
		return false;
	*address = address_of(rec);
	*flags = pw_get_le32(rec + 4);
	return true;
}

size_t pw_snapshot_next(const struct pw_snapshot_file *f, uint32_t space, uint64_t address, uint64_t *at)
{
	const uint8_t *rec = find(f, space, address, 8);

	if (!rec) {
		size_t i = lower_bound(f->index, f->ntables, space, address);

		rec = f->index + i * PW_SNAPSHOT_RECORD;
		if (i == f->ntables || pw_get_le32(rec) != space)
			return 0;
	}
	*at = address_of(rec);
	return pw_get_le32(rec + 20);
}

/* ---- */

int pw_snapshot_file_open(const char *path, struct pw_snapshot_file **out, struct pw_error *err)
{
	struct pw_snapshot_file *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return pw_error_set(err, -ENOMEM, "out of memory");
	f->path = strdup(path);
	f->zstd = ZSTD_createDCtx();
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		rc = pw_error_set(err, -errno, "%s: %s", path, strerror(errno));
	else if (!f->path || !f->zstd)
		rc = pw_error_set(err, -ENOMEM, "out of memory");
	else
		rc = read_header(f, err);
	if (!rc)
		rc = read_toc(f, err);
	if (!rc)
		rc = verify(f, err);
	if (!rc)
		rc = read_index(f, err);
	if (rc) {
		pw_snapshot_file_close(f);
		return rc;
	}
	*out = f;
	return 0;
}

void pw_snapshot_file_close(struct pw_snapshot_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	for (unsigned i = 0; i < CACHED; i++)
		free(f->cache[i].words);
	ZSTD_freeDCtx(f->zstd);
	free(f->section);
	free(f->index);
	free(f->slots);
	free(f->path);
	free(f);
}
