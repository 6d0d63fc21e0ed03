/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The head of `pagewalk cpu` with registers that no emulated CPU here has: PCIDs, AMD, supervisor keys, isolation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "render/render.h"

static const struct pw_cpu plain = {
	.cpu = 3,
	.has_cpu = true,
	.vendor = "GenuineIntel",
	.phys_bits = 36,
	.registers = true,
	.cr3 = 0xb5bbc000,
	.root = 0xb5bbc000,
	.user_root = PW_PA_NONE,
	.root_va = 0xffff987335bbc000,
	.owner = PW_OWNER_PROCESS,
	.pid = 42,
	.comm = "cat",
};

static void check(const struct pw_cpu *cpu, unsigned levels, const char *expected)
{
	struct pw_space space = { .npieces = 1, .piece[0].mmu.mode = pw_arch_mode(&pw_arch_x86_64, levels) };
	struct pw_out out;
	struct pw_render r = { .ops = &pw_render_cpu, .out = &out, .head.space = &space };

	assert_int_equal(pw_out_init(&out, -1), 0);
	r.ops->begin(&r);
	r.ops->cpu(&r, cpu);
	out.buf[out.len] = 0;
	assert_string_equal(out.buf, expected);
	pw_out_free(&out);
}

static void test_as_in_the_readme(void **state)
{
	(void)state;
	check(&plain, 4,
	      "pagewalk: cpu 3, tables of pid 42 (cat)\n"
	      "(GenuineIntel) x86_phys_bits 36\n"
	      "cr3: 0xb5bbc000\n"
	      "paging according to Tab 4-12 intel dev manual (vol. 3A): 4 levels, CR4.PCIDE = 0\n"
	      "No protection keys enabled (this is normal)\n"
	      "page table in virtual memory at ffff987335bbc000\n");
}

static void test_pcid_and_isolation(void **state)
{
	struct pw_cpu cpu = plain;

	(void)state;
	cpu.cr3 |= 0x801;
	cpu.cr4 = PW_X86_CR4_PCIDE | PW_X86_CR4_PKE | PW_X86_CR4_PKS;
	cpu.user_root = 0xb5bbd000;
	cpu.owner = PW_OWNER_UNKNOWN;
	check(&cpu, 5,
	      "pagewalk: cpu 3, tables of no process that is there now\n"
	      "(GenuineIntel) x86_phys_bits 36\n"
	      "cr3: 0xb5bbc801\n"
	      "paging according to Tab 4-13 intel dev manual (vol. 3A): 5 levels, CR4.PCIDE = 1, PCID 0x801\n"
	      "Protection keys enabled: PKE PKS\n"
	      "page table in virtual memory at ffff987335bbc000\n"
	      "page-table isolation: this is the kernel's table, NX on all that is the user's; user mode runs on "
	      "0xb5bbd000\n");
}

static void test_low_bits_are_no_pcid_without_pcide(void **state)
{
	struct pw_cpu cpu = plain;

	(void)state;
	memcpy(cpu.vendor, "AuthenticAMD", 13);
	cpu.cr3 |= 0x18; /* PWT, PCD */
	cpu.owner = PW_OWNER_KERNEL;
	check(&cpu, 4,
	      "pagewalk: cpu 3, the kernel's own tables: it idles, or runs a kernel thread\n"
	      "(AuthenticAMD) x86_phys_bits 36\n"
	      "cr3: 0xb5bbc018\n"
	      "paging according to 5.3 amd64 manual vol. 2: 4 levels, CR4.PCIDE = 0\n"
	      "No protection keys enabled (this is normal)\n"
	      "page table in virtual memory at ffff987335bbc000\n");
}

static void test_without_registers(void **state)
{
	struct pw_cpu cpu = plain;

	(void)state;
	cpu.registers = cpu.has_cpu = false;
	cpu.pku = true;
	check(&cpu, 4,
	      "pagewalk: tables of pid 42 (cat)\n"
	      "(GenuineIntel) x86_phys_bits 36\n"
	      "cr3: 0xb5bbc000 (where the table is; the register itself takes a CPU and -s kmod)\n"
	      "paging according to Tab 4-12 or 4-13 intel dev manual (vol. 3A): 4 levels\n"
	      "Protection keys enabled: PKE\n"
	      "page table in virtual memory at ffff987335bbc000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_in_the_readme),
		cmocka_unit_test(test_pcid_and_isolation),
		cmocka_unit_test(test_low_bits_are_no_pcid_without_pcide),
		cmocka_unit_test(test_without_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
