// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "source/image.h"

static bool unpack_zlib(const void *packed, size_t n, void *out, size_t want)
{
	uLongf got = want;

	return uncompress(out, &got, packed, n) == Z_OK && got == want;
}

static bool unpack_lzo(const void *packed, size_t n, void *out, size_t want)
{
	lzo_uint got = want;

	return lzo1x_decompress_safe(packed, n, out, &got, NULL) == LZO_E_OK && got == want;
}

static bool unpack_snappy(const void *packed, size_t n, void *out, size_t want)
{
	size_t got;

	return snappy_uncompressed_length(packed, n, &got) == SNAPPY_OK && got == want &&
	       snappy_uncompress(packed, n, out, &got) == SNAPPY_OK && got == want;
}

int pw_unpack(enum pw_packing how, const void *packed, size_t n, void *out, size_t want)
{
	bool well = false;

	switch (how) {
	case PW_PACK_NONE:
		well = n == want;
		if (well)
			memcpy(out, packed, n);
		break;
	case PW_PACK_ZLIB:
		well = unpack_zlib(packed, n, out, want);
		break;
	case PW_PACK_LZO:
		well = unpack_lzo(packed, n, out, want);
		break;
	case PW_PACK_SNAPPY:
		well = unpack_snappy(packed, n, out, want);
		break;
	case PW_PACK_ZSTD:
		well = ZSTD_decompress(out, want, packed, n) == want;
		break;
	}
	return well ? 0 : -EIO;
}
