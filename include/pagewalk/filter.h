/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * filter: which entries are meant, as an expression:
 *
 *     w and x and not user        size>=2M and file~libc        (soft or protnone) and name=[heap]
 *
 *   r w x u                       what all levels together allow
 *   leaf protnone soft swap       the entry's kind; swap: soft, with a place in a swap area
 *   pte pmd pud p4d pgd           its level
 *   huge reserved                 a leaf above pte; has bits that must not be set
 *   present accessed dirty nx ... its own bits, by the names of the architecture's attributes
 *   size key swap-type            numbers, by = != < <= > >=; size takes K M G T
 *   va pa swap-offset             the same, hexadecimal; va=A-B and pa=A-B mean a range (B excluded)
 *   name file vma memtype         texts, by = != ~ (contains) !~: the area's name, its path, its permissions (rw-p)
 *
 * joined by and, or, not and parentheses; values with spaces or parentheses in quotes. Only what is there is asked: empty entries match nothing.
 */
#ifndef PAGEWALK_FILTER_H
#define PAGEWALK_FILTER_H

#include <pagewalk/walk.h>

struct pw_filter;

/* -EINVAL with a text that points at the place; -ENOMEM. */
PW_API int pw_filter_parse(const char *text, struct pw_filter **out, struct pw_error *err);
PW_API void pw_filter_free(struct pw_filter *f);

/* As it was given. */
PW_API const char *pw_filter_text(const struct pw_filter *f);

/* -EOPNOTSUPP with a text when it asks for what such entries do not say (a leaf-only source: permissions, sizes). */
PW_API int pw_filter_check(const struct pw_filter *f, const struct pw_mmu *mmu, struct pw_error *err);

/* e is decoded by mmu; perm_above: what the levels above allow; va: the first address that it covers; area: where that is, or NULL. */
PW_API bool pw_filter_match(const struct pw_filter *f, const struct pw_mmu *mmu, const struct pw_entry *e,
			    uint8_t perm_above, uint64_t va, const struct pw_area *area);

/*
 * A stage between the walker and what comes next: hands on the entries that match, in spans, and the steps that lead to one; holes always,
 * as nobody knows what is there. A filter NULL hands on everything. areas (NULL: none) and next live as long as the stage.
 */
struct pw_filtered;
PW_API struct pw_filtered *pw_filtered_new(const struct pw_filter *f, const struct pw_areas *areas,
					   const struct pw_visitor *next, void *ctx);
PW_API void pw_filtered_free(struct pw_filtered *s);

/* To hand to pw_walk, with the stage as its ctx. */
extern PW_API const struct pw_visitor pw_filtered_visitor;

#endif
