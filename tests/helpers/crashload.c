/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crashload KERNEL INITRD CMDLINE: loads the kernel that is to run after a crash, as `kexec -p` does. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int kernel, initrd;

	if (argc != 4) {
		fputs("usage: crashload KERNEL INITRD CMDLINE\n", stderr);
		return 2;
	}
	kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
	initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (kernel >= 0 && initrd >= 0 &&
	    !syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], KEXEC_FILE_ON_CRASH))
		return 0;
	fprintf(stderr, "crashload: %s\n", strerror(errno));
	return 1;
}
