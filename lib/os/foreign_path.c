// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The path of an open file, from dentries and mounts, as d_path() makes it for somebody whose root is the first one: up the
 * dentries, at a mount's root over to the dentry that it is mounted on. Files of the kernel's own file systems have no place in a tree
 * but a name that is made up (d_dname).
 */
#include <stdio.h>
#include <string.h>

#include "os/foreign.h"

#define MAX_STEPS        8192
#define MAX_NAME         256
#define ANON_INODE_MAGIC 0x09041934

struct place {
	uint64_t mnt, dentry; /* struct vfsmount *, struct dentry * */
};

static bool name_of(struct pw_foreign_os *os, uint64_t dentry, char name[MAX_NAME])
{
	uint64_t at;

	return pw_kmem_u64(&os->mem, dentry + os->off.dentry_name + os->off.qstr_name, &at) &&
	       pw_kmem_string(&os->mem, at, name, MAX_NAME);
}

/* Puts name and a slash in front of what is at *from. */
static bool prepend(struct pw_foreign_file *out, size_t *from, const char *name)
{
	size_t n = strlen(name);

	if (*from < n + 1)
		return false;
	*from -= n;
	memcpy(out->path + *from, name, n);
	out->path[--*from] = '/';
	return true;
}

/* One step up. 1: went on; 0: it was the last root; -1: cannot be followed. */
static int step_up(struct pw_foreign_os *os, struct place *p, struct pw_foreign_file *out, size_t *from)
{
	uint64_t root, parent, mount = p->mnt - os->off.mount_mnt, above;
	char name[MAX_NAME];

	if (!pw_kmem_u64(&os->mem, p->mnt + os->off.vfsmount_root, &root) ||
	    !pw_kmem_u64(&os->mem, p->dentry + os->off.dentry_parent, &parent))
		return -1;
	if (p->dentry == root || p->dentry == parent) {
		if (!pw_kmem_u64(&os->mem, mount + os->off.mount_parent, &above))
			return -1;
		if (above == mount)
			return 0;
		p->mnt = above + os->off.mount_mnt;
		return pw_kmem_u64(&os->mem, mount + os->off.mount_mountpoint, &p->dentry) ? 1 : -1;
	}
	if (!name_of(os, p->dentry, name) || !prepend(out, from, name))
		return -1;
	p->dentry = parent;
	return 1;
}

static bool tree_path(struct pw_foreign_os *os, struct place p, struct pw_foreign_file *out)
{
	static const char deleted[] = " (deleted)";
	size_t from = sizeof(out->path) - sizeof(deleted);
	uint64_t hashed, parent;
	int rc = 1;

	if (!pw_kmem_u64(&os->mem, p.dentry + os->off.dentry_hash + 8, &hashed) ||
	    !pw_kmem_u64(&os->mem, p.dentry + os->off.dentry_parent, &parent))
		return false;
	if (hashed || parent == p.dentry)
		out->path[from] = 0;
	else
		memcpy(out->path + from, deleted, sizeof(deleted));
	for (int i = 0; i < MAX_STEPS && rc > 0; i++)
		rc = step_up(os, &p, out, &from);
	if (rc)
		return false;
	if (from == sizeof(out->path) - sizeof(deleted))
		out->path[--from] = '/';
	memmove(out->path, out->path + from, sizeof(out->path) - from);
	return true;
}

/* Whether the file's name is made up by its file system. */
static bool has_made_up_name(struct pw_foreign_os *os, const struct place *p)
{
	uint64_t op, dname = 0, parent, root;

	if (!pw_kmem_u64(&os->mem, p->dentry + os->off.dentry_op, &op) || !op ||
	    !pw_kmem_u64(&os->mem, op + os->off.dop_dname, &dname) || !dname)
		return false;
	return pw_kmem_u64(&os->mem, p->dentry + os->off.dentry_parent, &parent) &&
	       pw_kmem_u64(&os->mem, p->mnt + os->off.vfsmount_root, &root) &&
	       (parent != p->dentry || root != p->dentry);
}

static bool made_up_path(struct pw_foreign_os *os, const struct place *p, uint64_t magic, struct pw_foreign_file *out)
{
	char name[MAX_NAME];

	if (!name_of(os, p->dentry, name))
		return false;
	if (magic == ANON_INODE_MAGIC)
		snprintf(out->path, sizeof(out->path), "anon_inode:%s", name);
	else
		snprintf(out->path, sizeof(out->path), "/%s (deleted)", name);
	return true;
}

bool pw_foreign_file(struct pw_foreign_os *os, uint64_t file, struct pw_foreign_file *out)
{
	const struct pw_foreign_offsets *off = &os->off;
	uint64_t inode, sb, magic;
	struct place p;

	if (!pw_kmem_u64(&os->mem, file + off->file_inode, &inode) ||
	    !pw_kmem_u64(&os->mem, inode + off->inode_ino, &out->inode) ||
	    !pw_kmem_u64(&os->mem, inode + off->inode_sb, &sb) || !pw_kmem_u32(&os->mem, sb + off->sb_dev, &out->dev) ||
	    !pw_kmem_u64(&os->mem, sb + off->sb_magic, &magic) ||
	    !pw_kmem_u64(&os->mem, file + off->file_path + off->path_mnt, &p.mnt) ||
	    !pw_kmem_u64(&os->mem, file + off->file_path + off->path_dentry, &p.dentry))
		return false;
	return has_made_up_name(os, &p) ? made_up_path(os, &p, magic, out) : tree_path(os, p, out);
}
