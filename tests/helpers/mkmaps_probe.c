// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The CPU as judge: try to read, write and execute a page, and see which signal comes.
 *
 * It is done in this process, since a fork would change the page tables it is to judge. The three
 * accesses are single instructions in assembly. The handler does not jump out but sets RIP to a
 * place that returns, so that sigreturn restores the PKRU which the kernel replaced for the
 * handler.
 *
 * Execution: the trap flag is on when the jump is made. The first trap comes at the target before
 * anything there is fetched; going on, either the fetch faults (bit 4 of the page-fault error code,
 * RIP at the target), or one instruction has run and the next trap comes, or the instruction was
 * fetched and failed by itself: it did execute. All registers then point into scratch memory, so
 * that any byte pattern (00 00 stores to (%rax), c3 pops from the stack) does no harm.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "mkmaps.h"

#define EFLAGS_TF 0x100UL
#define TRAP_PF   14
#define PF_INSTR  0x10

extern const char probe_load_at[], probe_store_at[], probe_failed[], probe_back[];
int probe_load(uintptr_t va, unsigned char *value);
int probe_store(uintptr_t va, unsigned char value);
void probe_exec(uintptr_t va, void *scratch);

uintptr_t probe_target, probe_saved_rsp;

asm(".text\n"
    "probe_load:\n"
    "probe_load_at:\n"
    "	movb	(%rdi), %al\n"
    "	movb	%al, (%rsi)\n"
    "	xorl	%eax, %eax\n"
    "	ret\n"
    "probe_store:\n"
    "probe_store_at:\n"
    "	movb	%sil, (%rdi)\n"
    "	xorl	%eax, %eax\n"
    "	ret\n"
    "probe_failed:\n"
    "	movl	$1, %eax\n"
    "	ret\n"
    "probe_exec:\n"
    "	push	%rbx\n"
    "	push	%rbp\n"
    "	push	%r12\n"
    "	push	%r13\n"
    "	push	%r14\n"
    "	push	%r15\n"
    "	pushfq\n"
    "	mov	%rdi, probe_target(%rip)\n"
    "	mov	%rsp, probe_saved_rsp(%rip)\n"
    "	mov	%rsi, %rsp\n"
    "	lea	probe_back(%rip), %rax\n"
    "	push	%rax\n"
    "	mov	%rsi, %rax\n"
    "	mov	%rsi, %rbx\n"
    "	mov	%rsi, %rdx\n"
    "	mov	%rsi, %rdi\n"
    "	mov	%rsi, %rbp\n"
    "	mov	%rsi, %r8\n"
    "	mov	%rsi, %r9\n"
    "	mov	%rsi, %r10\n"
    "	mov	%rsi, %r11\n"
    "	mov	%rsi, %r12\n"
    "	mov	%rsi, %r13\n"
    "	mov	%rsi, %r14\n"
    "	mov	%rsi, %r15\n"
    "	mov	$1, %ecx\n"
    "	pushfq\n"
    "	orq	$0x100, (%rsp)\n"
    "	popfq\n"
    "	jmp	*probe_target(%rip)\n"
    "probe_back:\n"
    "	mov	probe_saved_rsp(%rip), %rsp\n"
    "	popfq\n"
    "	pop	%r15\n"
    "	pop	%r14\n"
    "	pop	%r13\n"
    "	pop	%r12\n"
    "	pop	%rbp\n"
    "	pop	%rbx\n"
    "	ret\n");

static volatile enum { IDLE, DATA, JUMPING, ARRIVED } stage;
static volatile int fault_signal, fault_code;

/* One step of probe_exec(); true when it is over. */
static bool exec_signal(int sig, bool at_target, bool fetch)
{
	if (sig == SIGTRAP && stage == JUMPING) {
		if (at_target)
			stage = ARRIVED;
		return false;
	}
	/* Anything but a failed fetch at the target means that the instruction was taken. */
	if (sig == SIGTRAP || !fetch)
		fault_signal = 0;
	return true;
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t rip = (uintptr_t)r[REG_RIP];

	fault_signal = sig;
	fault_code = si->si_code;
	if (stage == DATA && (rip == (uintptr_t)probe_load_at || rip == (uintptr_t)probe_store_at)) {
		r[REG_RIP] = (greg_t)(uintptr_t)probe_failed;
		return;
	}
	if (stage == JUMPING || stage == ARRIVED) {
		bool fetch = rip == probe_target && r[REG_TRAPNO] == TRAP_PF && (r[REG_ERR] & PF_INSTR);

		if (!exec_signal(sig, rip == probe_target, fetch))
			return;
		r[REG_RIP] = (greg_t)(uintptr_t)probe_back;
		r[REG_EFL] &= ~(greg_t)(EFLAGS_TF | 0x400);
		return;
	}
	/* Not ours: die of it. */
	signal(sig, SIG_DFL);
}

static const char *outcome(char *buf, size_t size)
{
	static const char *const segv[] = {
		[1] = "SEGV_MAPERR",
		[2] = "SEGV_ACCERR",
		[3] = "SEGV_BNDERR",
		[4] = "SEGV_PKUERR",
	};

	if (!fault_signal)
		return "ok";
	if (fault_signal == SIGSEGV && fault_code > 0 && fault_code <= 4)
		return segv[fault_code];
	if (fault_signal == SIGBUS)
		return "SIGBUS";
	snprintf(buf, size, "signal%d/%d", fault_signal, fault_code);
	return buf;
}

static void judge(const struct mk_state *st, uintptr_t va, char *scratch)
{
	char rbuf[32], wbuf[32], xbuf[32];
	const char *r, *w, *x;
	unsigned char value = 0xc3;

	stage = DATA;
	fault_signal = 0;
	probe_load(va, &value);
	r = outcome(rbuf, sizeof(rbuf));
	fault_signal = 0;
	probe_store(va, value);
	w = outcome(wbuf, sizeof(wbuf));

	stage = JUMPING;
	fault_signal = 0;
	probe_exec(va, scratch);
	x = outcome(xbuf, sizeof(xbuf));
	stage = IDLE;
	printf("probe %s va=0x%lx r=%s w=%s x=%s\n", st->name, va, r, w, x);
}

static size_t judge_range(const struct mk_state *st, const struct mk_range *r, size_t max, char *scratch)
{
	size_t pages = r->len / MK_PAGE, count = pages < max ? pages : max;

	for (size_t i = 0; i < count; i++) {
		/* The first, the last, and others evenly between. */
		size_t page = count > 1 ? i * ((pages - 1) / (count - 1)) : 0;

		if (i && i == count - 1)
			page = pages - 1;
		judge(st, r->addr + page * MK_PAGE, scratch);
	}
	return count;
}

static bool has_pkru(void)
{
	unsigned int a = 7, b, c = 0, d;

	asm("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c >> 4 & 1; /* OSPKE */
}

void mk_print_pkru(void)
{
	unsigned int pkru, d;

	if (!has_pkru())
		return;
	asm volatile("rdpkru" : "=a"(pkru), "=d"(d) : "c"(0));
	printf("pkru 0x%08x\n", pkru);
}

size_t mk_probe(const struct mk_state *st, size_t max)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGTRAP, SIGILL, SIGFPE };
	static char *area;
	struct sigaction old[5], sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	const size_t half = 64 << 10;
	size_t count = 0;
	stack_t alt;

	if (!area) {
		area = mmap(NULL, 2 * half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (area == MAP_FAILED)
			exit(1);
	}
	alt = (stack_t){ .ss_sp = area, .ss_size = half };
	sigaltstack(&alt, NULL);
	for (size_t i = 0; i < 5; i++)
		sigaction(signals[i], &sa, &old[i]);

	for (size_t i = 0; i < st->n; i++)
		count += judge_range(st, &st->r[i], max, area + half + half / 2);

	for (size_t i = 0; i < 5; i++)
		sigaction(signals[i], &old[i], NULL);
	alt = (stack_t){ .ss_flags = SS_DISABLE };
	sigaltstack(&alt, NULL);
	return count;
}
