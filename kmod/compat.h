/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernels, and nothing else. A HAVE_... is set by Kbuild when a line of code
 * compiles there; versions are never asked.
 */
#ifndef PAGEWALK_COMPAT_H
#define PAGEWALK_COMPAT_H

#ifndef HAVE_PROBES
#error "the compile probes of Kbuild do not work with this kernel's build system"
#endif

#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#ifdef HAVE_CC_PLATFORM
#include <linux/cc_platform.h>
#endif

/* paddr_vmcoreinfo_note() moved. */
#ifdef HAVE_VMCORE_INFO_H
#include <linux/vmcore_info.h>
#else
#include <linux/crash_core.h>
#endif

#ifdef CONFIG_X86
#include <asm/msr.h>
/* The macro was renamed; both put an MSR's value into an lvalue. */
#ifdef rdmsrq
#define compat_rdmsr(msr, value) rdmsrq(msr, value)
#else
#define compat_rdmsr(msr, value) rdmsrl(msr, value)
#endif
#endif

/* Pins pages of an mm whose mmap_lock is held, which is released if *locked ends up 0. */
static inline long compat_pin_pages(struct mm_struct *mm, unsigned long va, unsigned long n, unsigned int gup_flags,
				    struct page **pages, int *locked)
{
#ifdef HAVE_PIN_WITH_VMAS
	return pin_user_pages_remote(mm, va, n, gup_flags, pages, NULL, locked);
#else
	return pin_user_pages_remote(mm, va, n, gup_flags, pages, locked);
#endif
}

/* What a file of /proc was made with. */
static inline void *compat_pde_data(const struct inode *inode)
{
#ifdef HAVE_PDE_DATA_MACRO_NAME
	return PDE_DATA(inode);
#else
	return pde_data(inode);
#endif
}

static inline bool compat_has_vmalloc_huge(void)
{
#ifdef HAVE_VMALLOC_HUGE
	return true;
#else
	return false;
#endif
}

static inline void *compat_vmalloc_huge(unsigned long size, gfp_t gfp)
{
#ifdef HAVE_VMALLOC_HUGE
	return vmalloc_huge(size, gfp);
#else
	return NULL;
#endif
}

/* Where the function that a kretprobe is on returns to. */
static inline unsigned long compat_kretprobe_retaddr(struct kretprobe_instance *ri)
{
#ifdef HAVE_KRETPROBE_RETADDR
	return get_kretprobe_retaddr(ri);
#else
	return (unsigned long)ri->ret_addr;
#endif
}

/* What mmap() of a file calls. */
static inline const void *compat_mmap_of(const struct file_operations *fops)
{
#ifdef HAVE_MMAP_PREPARE
	if (fops->mmap_prepare)
		return fops->mmap_prepare;
#endif
	return fops->mmap;
}

/* Whether this is a guest whose memory is hidden from its host. */
static inline bool compat_is_encrypted_guest(void)
{
#if defined(HAVE_CC_PLATFORM)
	return cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT);
#elif defined(CONFIG_AMD_MEM_ENCRYPT)
	return sev_active();
#else
	return false;
#endif
}

#endif
