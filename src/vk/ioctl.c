/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl.c - ioctl by a list of known requests. A request that is not listed is ENOTTY and never reaches the kernel: its
 * argument could be a host address, or it could open, inject or map something.
 */
#include "vk-int.h"

#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <net/if.h>

/* How the argument travels. */
typedef enum IoctlKind {
    ARG_NONE,  /* ignored */
    ARG_VALUE, /* an int passed by value */
    ARG_IN,    /* size bytes read from the guest */
    ARG_OUT,   /* size bytes written to the guest */
    ARG_BOTH,  /* size bytes read from the guest, then written back */
} IoctlKind;

enum { IFREQ_SIZE = 40, INTERFACES_MAX = 64 };

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
    /* struct ifreq (netdevice(7)), questions only, and only those whose answer is no pointer. `long` has 64 bits for guest and host. */
    {SIOCGIFNAME, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFINDEX, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFFLAGS, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFADDR, ARG_BOTH, IFREQ_SIZE},
    {SIOCGIFDSTADDR, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFBRDADDR, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFNETMASK, ARG_BOTH, IFREQ_SIZE},
    {SIOCGIFMETRIC, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFMTU, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFHWADDR, ARG_BOTH, IFREQ_SIZE}, {SIOCGIFTXQLEN, ARG_BOTH, IFREQ_SIZE},
};
_Static_assert(sizeof(struct ifreq) == IFREQ_SIZE, "the kernel's struct ifreq");
_Static_assert(sizeof(struct termios) == sizeof(WaliTermios), "the kernel's struct termios");

static int64_t clone_file(Vk *vk, int32_t fd, int32_t source)
{
    return vk_fd_is_bad(vk, source) ? -EBADF : vk_sys3(SYS_ioctl, fd, FICLONE, source);
}

/* The guest's struct ifconf is {i32 size, u32 address}; the list goes through a buffer of ours, so at most INTERFACES_MAX are told. */
static int64_t interfaces_list(Vk *vk, int32_t fd, GuestAddr arg)
{
    uint32_t conf[2];
    struct ifreq list[INTERFACES_MAX];
    if (vk_copy_in(vk, conf, arg, sizeof conf) < 0) {
        return -EFAULT;
    }
    if ((int32_t)conf[0] < 0) {
        conf[0] = 0; /* as the kernel: no room for one entry */
    }
    memset(list, 0, sizeof list);
    const bool is_question = conf[1] == 0; /* how much room would be needed? */
    struct ifconf host = {.ifc_len = (int)(conf[0] < sizeof list ? conf[0] : sizeof list), .ifc_req = is_question ? NULL : list};
    const int64_t r = vk_sys3(SYS_ioctl, fd, SIOCGIFCONF, (int64_t)VK_PTR(&host));
    if (r < 0) {
        return r;
    }
    conf[0] = (uint32_t)host.ifc_len;
    must(is_question || conf[0] <= sizeof list);
    if (!is_question && vk_copy_out(vk, conf[1], list, conf[0]) < 0) {
        return -EFAULT;
    }
    return vk_copy_out(vk, arg, conf, sizeof conf) < 0 ? -EFAULT : r;
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
    if (request == SIOCGIFCONF) {
        return interfaces_list(vk, fd, arg);
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].request != request) {
            continue;
        }
        must(known[i].size <= sizeof buffer);
        const bool is_in = known[i].kind == ARG_IN || known[i].kind == ARG_BOTH;
        const bool is_out = known[i].kind == ARG_OUT || known[i].kind == ARG_BOTH;
        if (is_in && vk_copy_in(vk, buffer, arg, known[i].size) < 0) {
            return -EFAULT;
        }
        const uint64_t host = is_in || is_out ? VK_PTR(buffer) : known[i].kind == ARG_VALUE ? (uint64_t)(int32_t)arg : 0;
        const int64_t r = vk_block(vk, SYS_ioctl, fd, request, host, 0, 0, 0);
        if (r >= 0 && request == FIOCLEX) {
            vk_note_cloexec(vk, fd);
        }
        if (r >= 0 && is_out && vk_copy_out(vk, arg, buffer, known[i].size) < 0) {
            return -EFAULT;
        }
        return r;
    }
    const int64_t r = vk_sys2(SYS_fcntl, fd, F_GETFD); /* EBADF comes before ENOTTY */
    return r < 0 ? r : -ENOTTY;
}
