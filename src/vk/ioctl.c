/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl.c - ioctl by a list of known requests. A request that is not listed is ENOTTY and never reaches the kernel: its
 * argument could be a host address, or it could open, inject or map something.
 */
#include "vk-int.h"

#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <linux/fs.h>

/* How the argument travels. */
typedef enum IoctlKind {
    ARG_NONE,  /* ignored */
    ARG_VALUE, /* an int passed by value */
    ARG_IN,    /* size bytes read from the guest */
    ARG_OUT,   /* size bytes written to the guest */
} IoctlKind;

static const struct {
    uint32_t request;
    IoctlKind kind;
    uint32_t size;
} known[] = {
    {TCGETS, ARG_OUT, sizeof(WaliTermios)}, {TCSETS, ARG_IN, sizeof(WaliTermios)}, {TCSETSW, ARG_IN, sizeof(WaliTermios)},
    {TCSETSF, ARG_IN, sizeof(WaliTermios)}, {TIOCGWINSZ, ARG_OUT, sizeof(WaliWinsize)}, {TIOCSWINSZ, ARG_IN, sizeof(WaliWinsize)},
    {TIOCGPGRP, ARG_OUT, 4}, {TIOCSPGRP, ARG_IN, 4}, {TIOCGSID, ARG_OUT, 4}, {TIOCSCTTY, ARG_VALUE, 0}, {TIOCNOTTY, ARG_NONE, 0},
    {TIOCEXCL, ARG_NONE, 0}, {TIOCNXCL, ARG_NONE, 0}, {TIOCOUTQ, ARG_OUT, 4}, {TCSBRK, ARG_VALUE, 0}, {TCSBRKP, ARG_VALUE, 0},
    {TCXONC, ARG_VALUE, 0}, {TCFLSH, ARG_VALUE, 0}, {TIOCGPTN, ARG_OUT, 4}, {TIOCSPTLCK, ARG_IN, 4}, {TIOCGPTLCK, ARG_OUT, 4},
    {TIOCMGET, ARG_OUT, 4}, {TIOCGETD, ARG_OUT, 4}, {TIOCPKT, ARG_IN, 4},
    {FIONREAD, ARG_OUT, 4}, {FIONBIO, ARG_IN, 4}, {FIOASYNC, ARG_IN, 4}, {FIOCLEX, ARG_NONE, 0}, {FIONCLEX, ARG_NONE, 0},
    {0x8905 /* SIOCATMARK */, ARG_OUT, 4}, {0x8903 /* FIOGETOWN */, ARG_OUT, 4}, {0x8904 /* SIOCGPGRP */, ARG_OUT, 4},
};
_Static_assert(sizeof(struct termios) == sizeof(WaliTermios), "the kernel's struct termios");

static int64_t clone_file(Vk *vk, int32_t fd, int32_t source)
{
    return vk_fd_is_bad(vk, source) ? -EBADF : vk_sys3(SYS_ioctl, fd, FICLONE, source);
}

int64_t vk_sys_ioctl(Vk *vk, int32_t fd, uint32_t request, GuestAddr arg)
{
    uint64_t buffer[8] = {0};
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (request == FICLONE) {
        return clone_file(vk, fd, (int32_t)arg);
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].request != request) {
            continue;
        }
        must(known[i].size <= sizeof buffer);
        if (known[i].kind == ARG_IN && vk_copy_in(vk, buffer, arg, known[i].size) < 0) {
            return -EFAULT;
        }
        const uint64_t host = known[i].kind == ARG_IN || known[i].kind == ARG_OUT ? VK_PTR(buffer) : known[i].kind == ARG_VALUE ? (uint64_t)(int32_t)arg : 0;
        const int64_t r = vk_block(vk, SYS_ioctl, fd, request, host, 0, 0, 0);
        if (r >= 0 && request == FIOCLEX) {
            vk_note_cloexec(vk, fd);
        }
        if (r >= 0 && known[i].kind == ARG_OUT && vk_copy_out(vk, arg, buffer, known[i].size) < 0) {
            return -EFAULT;
        }
        return r;
    }
    const int64_t r = vk_sys2(SYS_fcntl, fd, F_GETFD); /* EBADF comes before ENOTTY */
    return r < 0 ? r : -ENOTTY;
}
