/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock.c - sockets. Addresses are byte for byte Linux's; message headers, control messages and options are converted.
 *
 * AF_UNIX paths are guest paths. With a private root the kernel resolves them in it. With a shared root a name is bound from its
 * parent directory (fchdir there and back: one thread a process), and a socket is connected to by /proc/self/fd/N of an
 * O_PATH descriptor, which stands for exactly the inode that was resolved beneath the root. Abstract names belong to the
 * network namespace: where that is the host's (no namespaces, or --network host), they are refused (CVE-2020-15257 was this).
 * Options go by a list: some carry host pointers (SO_ATTACH_FILTER), programs, or zero-copy mappings.
 */
#include "vk-int.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define CONTROL_MAX 4096u /* bytes of control messages in one call: 253 descriptors need 1032 */

typedef struct Address {
    struct sockaddr_storage storage;
    uint32_t size;
    int pinned_fd; /* O_PATH descriptor the address refers to, -1 none */
} Address;

static bool family_is_allowed(const Vk *vk, int32_t family, int32_t type, int32_t protocol)
{
    switch (family) {
    case AF_UNIX:
        return true;
    case AF_INET: case AF_INET6: /* in a network namespace of its own there is nothing but the loopback device */
        return (vk->config.is_network_allowed || vk->config.is_root_private) && type != SOCK_PACKET;
    case AF_NETLINK:
        return vk->config.is_network_allowed && protocol == 0; /* NETLINK_ROUTE: getifaddrs() */
    default:
        return false;
    }
}

int64_t vk_sys_socket(Vk *vk, int32_t domain, uint32_t type, int32_t protocol)
{
    if (!family_is_allowed(vk, domain, (int32_t)(type & 0xf), protocol)) {
        return domain == AF_INET || domain == AF_INET6 ? -EACCES : -EAFNOSUPPORT;
    }
    return vk_fd_new(vk, vk_sys3(SYS_socket, domain, type, protocol), (type & SOCK_CLOEXEC) != 0);
}

int64_t vk_sys_socketpair(Vk *vk, int32_t domain, uint32_t type, int32_t protocol, GuestAddr address)
{
    int fds[2];
    if (domain != AF_UNIX) {
        return domain == AF_INET || domain == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
    }
    const int64_t r = vk_sys4(SYS_socketpair, domain, type, protocol, VK_PTR(fds));
    if (r < 0) {
        return r;
    }
    const bool is_cloexec = (type & SOCK_CLOEXEC) != 0;
    const int64_t a = vk_fd_new(vk, fds[0], is_cloexec);
    const int64_t b = vk_fd_new(vk, fds[1], is_cloexec);
    const int64_t e = a < 0 || b < 0 ? -EMFILE : vk_copy_out(vk, address, fds, sizeof fds);
    for (int i = 0; e < 0 && i < 2; i++) {
        if ((i == 0 ? a : b) >= 0) {
            (void)vk_sys1(SYS_close, fds[i]);
        }
    }
    return e;
}

static int address_in(Vk *vk, Address *to, GuestAddr from, uint32_t size)
{
    memset(&to->storage, 0, sizeof to->storage);
    to->pinned_fd = -1;
    to->size = size;
    if (size > sizeof to->storage) {
        return -EINVAL;
    }
    return vk_copy_in(vk, &to->storage, from, size);
}

/* The path of an AF_UNIX address, NUL-terminated; empty for unnamed and abstract ones. */
static void unix_path(const Address *address, char path[sizeof(struct sockaddr_un) + 1])
{
    const struct sockaddr_un *un = (const void *)&address->storage;
    const size_t offset = offsetof(struct sockaddr_un, sun_path);
    const size_t size = address->size <= offset ? 0 : address->size > sizeof *un ? sizeof un->sun_path : address->size - offset;
    memcpy(path, un->sun_path, size);
    path[size] = '\0';
}

/* An abstract name where it would be one of the host's. */
static bool is_foreign_abstract(const Vk *vk, const Address *address)
{
    const struct sockaddr_un *un = (const void *)&address->storage;
    return (vk->config.is_network_shared || !vk->config.is_root_private) && un->sun_family == AF_UNIX &&
           address->size > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0] == '\0';
}

static bool is_named_unix(const Vk *vk, const Address *address)
{
    return !vk->config.is_root_private && address->storage.ss_family == AF_UNIX && address->size > offsetof(struct sockaddr_un, sun_path);
}

/* Shared root: replace the path to connect to by the inode it means beneath the root. */
static int64_t pin_address(Vk *vk, Address *address)
{
    char path[sizeof(struct sockaddr_un) + 1];
    if (is_foreign_abstract(vk, address)) {
        return -ECONNREFUSED;
    }
    if (address->size < sizeof(sa_family_t) || !is_named_unix(vk, address)) {
        return 0;
    }
    unix_path(address, path);
    const int64_t fd = vk_open_path(vk, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0, 0);
    if (fd < 0) {
        return fd;
    }
    struct sockaddr_un *un = (void *)&address->storage;
    address->pinned_fd = (int)fd;
    memset(un->sun_path, 0, sizeof un->sun_path);
    (void)snprintf(un->sun_path, sizeof un->sun_path, "/proc/self/fd/%d", (int)fd);
    address->size = sizeof *un;
    return 0;
}

static void unpin_address(Address *address)
{
    address->pinned_fd = fd_close(address->pinned_fd);
}

static int64_t bind_beneath(Vk *vk, int32_t fd, Address *address)
{
    char path[sizeof(struct sockaddr_un) + 1];
    unix_path(address, path);
    VkPlace place;
    int64_t r = vk_place(vk, AT_FDCWD, path, VK_PLACE_PARENT, true, &place);
    if (r < 0) {
        return r;
    }
    _cleanup_(fd_closep) int here = (int)vk_sys4(SYS_openat, AT_FDCWD, VK_PTR("."), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    r = here < 0 ? here : vk_sys1(SYS_fchdir, place.fd);
    if (r == 0) {
        struct sockaddr_un *un = (void *)&address->storage;
        memset(un->sun_path, 0, sizeof un->sun_path);
        (void)snprintf(un->sun_path, sizeof un->sun_path, "%s", place.name);
        r = vk_sys3(SYS_bind, fd, VK_PTR(un), sizeof *un);
        must(vk_sys1(SYS_fchdir, here) == 0);
    }
    vk_place_deinit(&place);
    return r;
}

int64_t vk_sys_bind(Vk *vk, int32_t fd, GuestAddr guest, uint32_t size)
{
    Address address;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    const int r = address_in(vk, &address, guest, size);
    if (r < 0) {
        return r;
    }
    if (is_foreign_abstract(vk, &address)) {
        return -EACCES;
    }
    if (is_named_unix(vk, &address)) {
        return bind_beneath(vk, fd, &address);
    }
    return vk_sys3(SYS_bind, fd, VK_PTR(&address.storage), address.size);
}

int64_t vk_sys_connect(Vk *vk, int32_t fd, GuestAddr guest, uint32_t size)
{
    Address address;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    int64_t r = address_in(vk, &address, guest, size);
    r = r < 0 ? r : pin_address(vk, &address);
    if (r == 0) {
        r = vk_block(vk, SYS_connect, fd, VK_PTR(&address.storage), address.size, 0, 0, 0);
    }
    unpin_address(&address);
    return r;
}

int64_t vk_sys_listen(Vk *vk, int32_t fd, int32_t backlog) { return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys2(SYS_listen, fd, backlog); }
int64_t vk_sys_shutdown(Vk *vk, int32_t fd, int32_t how) { return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys2(SYS_shutdown, fd, how); }

/* Writes an address and its size as accept, getsockname and recvfrom do: cut to the guest's room, the full size told. */
static int address_out(Vk *vk, GuestAddr to, GuestAddr size_address, const struct sockaddr_storage *storage, uint32_t size)
{
    int32_t room;
    if (vk_copy_in(vk, &room, size_address, sizeof room) < 0) {
        return -EFAULT;
    }
    if (room < 0) {
        return -EINVAL;
    }
    const uint32_t stored = size < sizeof *storage ? size : (uint32_t)sizeof *storage;
    const uint32_t part = (uint32_t)room < stored ? (uint32_t)room : stored;
    return vk_copy_out(vk, to, storage, part) < 0 || vk_copy_out(vk, size_address, &size, sizeof size) < 0 ? -EFAULT : 0;
}

int64_t vk_sys_accept(Vk *vk, int32_t fd, GuestAddr address, GuestAddr size) { return vk_sys_accept4(vk, fd, address, size, 0); }

int64_t vk_sys_accept4(Vk *vk, int32_t fd, GuestAddr address, GuestAddr size_address, uint32_t flags)
{
    struct sockaddr_storage storage = {0};
    uint32_t size = sizeof storage;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    int64_t r = vk_block(vk, SYS_accept4, fd, VK_PTR(&storage), VK_PTR(&size), flags, 0, 0);
    r = vk_fd_new(vk, r, (flags & SOCK_CLOEXEC) != 0);
    if (r >= 0 && address != 0) {
        const int e = address_out(vk, address, size_address, &storage, size);
        if (e < 0) {
            (void)vk_sys1(SYS_close, r);
            return e;
        }
    }
    return r;
}

static int64_t name_of(Vk *vk, long number, int32_t fd, GuestAddr address, GuestAddr size_address)
{
    struct sockaddr_storage storage = {0};
    uint32_t size = sizeof storage;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    const int64_t r = vk_sys3(number, fd, VK_PTR(&storage), VK_PTR(&size));
    return r < 0 ? r : address_out(vk, address, size_address, &storage, size);
}

int64_t vk_sys_getsockname(Vk *vk, int32_t fd, GuestAddr address, GuestAddr size) { return name_of(vk, SYS_getsockname, fd, address, size); }
int64_t vk_sys_getpeername(Vk *vk, int32_t fd, GuestAddr address, GuestAddr size) { return name_of(vk, SYS_getpeername, fd, address, size); }

int64_t vk_sys_sendto(Vk *vk, int32_t fd, GuestAddr buf, uint32_t size, uint32_t flags, GuestAddr guest, uint32_t guest_size)
{
    Address address = {.pinned_fd = -1};
    const void *host = vk_guest(vk, buf, size);
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (host == NULL || (flags & MSG_ZEROCOPY) != 0) {
        return host == NULL ? -EFAULT : -EINVAL;
    }
    int64_t r = guest == 0 ? 0 : address_in(vk, &address, guest, guest_size);
    r = r < 0 || guest == 0 ? r : pin_address(vk, &address);
    if (r == 0) {
        r = vk_block(vk, SYS_sendto, fd, VK_PTR(host), size, flags, guest == 0 ? 0 : VK_PTR(&address.storage), address.size);
    }
    unpin_address(&address);
    return r;
}

int64_t vk_sys_recvfrom(Vk *vk, int32_t fd, GuestAddr buf, uint32_t size, uint32_t flags, GuestAddr address, GuestAddr size_address)
{
    struct sockaddr_storage storage = {0};
    uint32_t storage_size = sizeof storage;
    void *host = vk_guest(vk, buf, size);
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (host == NULL) {
        return -EFAULT;
    }
    const int64_t r = vk_block(vk, SYS_recvfrom, fd, VK_PTR(host), size, flags, address == 0 ? 0 : VK_PTR(&storage), address == 0 ? 0 : VK_PTR(&storage_size));
    if (r >= 0 && address != 0) {
        const int e = address_out(vk, address, size_address, &storage, storage_size);
        return e < 0 ? e : r;
    }
    return r;
}

/* --- messages --- */

_Static_assert(sizeof(struct cmsghdr) == sizeof(WaliCmsghdr) && sizeof(size_t) == 8, "a control message differs in the upper half of its length only");

/* What a guest may send along; checked in the host's copy. */
static int check_control(Vk *vk, uint8_t *control, size_t size)
{
    for (size_t at = 0; size - at >= sizeof(struct cmsghdr);) {
        struct cmsghdr head;
        memcpy(&head, control + at, sizeof head);
        head.cmsg_len &= UINT32_MAX; /* the guest's padding */
        memcpy(control + at, &head, sizeof head);
        if (head.cmsg_len < sizeof head || head.cmsg_len > size - at) {
            return -EINVAL;
        }
        const bool is_plain = (head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_CREDENTIALS) || head.cmsg_level == IPPROTO_IP || head.cmsg_level == IPPROTO_IPV6;
        const bool is_rights = head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS;
        if (!is_plain && !is_rights) {
            return -EINVAL;
        }
        for (size_t i = sizeof head; is_rights && i + sizeof(int32_t) <= head.cmsg_len; i += sizeof(int32_t)) {
            int32_t fd;
            memcpy(&fd, control + at + i, sizeof fd);
            if (vk_fd_is_bad(vk, fd)) {
                return -EBADF; /* a descriptor of the runtime never travels */
            }
        }
        const size_t step = (head.cmsg_len + 7) & ~(size_t)7;
        if (step > size - at) {
            break;
        }
        at += step;
    }
    return 0;
}

int64_t vk_sys_sendmsg(Vk *vk, int32_t fd, GuestAddr message, uint32_t flags)
{
    WaliMsghdr guest;
    Address address = {.pinned_fd = -1};
    struct iovec iov[WALI_IOV_MAX];
    _Alignas(8) uint8_t control[CONTROL_MAX];
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (vk_copy_in(vk, &guest, message, sizeof guest) < 0) {
        return -EFAULT;
    }
    if (guest.msg_iovlen < 0 || guest.msg_iovlen > WALI_IOV_MAX) {
        return -EMSGSIZE;
    }
    if (guest.msg_controllen > sizeof control || (flags & MSG_ZEROCOPY) != 0) {
        return guest.msg_controllen > sizeof control ? -ENOBUFS : -EINVAL;
    }
    int64_t r = vk_copy_iovec(vk, iov, guest.msg_iov, guest.msg_iovlen);
    r = r < 0 || guest.msg_name == 0 ? r : address_in(vk, &address, guest.msg_name, guest.msg_namelen);
    if (r == 0 && guest.msg_control != 0 && guest.msg_controllen != 0) {
        r = vk_copy_in(vk, control, guest.msg_control, guest.msg_controllen);
        r = r < 0 ? r : check_control(vk, control, guest.msg_controllen);
    }
    r = r < 0 || guest.msg_name == 0 ? r : pin_address(vk, &address);
    if (r == 0) {
        const bool has_control = guest.msg_control != 0 && guest.msg_controllen != 0;
        const struct msghdr host = {
            .msg_name = guest.msg_name != 0 ? &address.storage : NULL, .msg_namelen = guest.msg_name != 0 ? address.size : 0,
            .msg_iov = iov, .msg_iovlen = (size_t)guest.msg_iovlen,
            .msg_control = has_control ? control : NULL, .msg_controllen = has_control ? guest.msg_controllen : 0,
        };
        r = vk_block(vk, SYS_sendmsg, fd, VK_PTR(&host), flags, 0, 0, 0);
    }
    unpin_address(&address);
    return r;
}

/* Received descriptors above the guest's limit are closed; the control message then counts as cut. Return: flags to add. */
static int adopt_control(Vk *vk, uint8_t *control, size_t size, bool is_cloexec)
{
    int added = 0;
    for (size_t at = 0; size - at >= sizeof(struct cmsghdr);) {
        struct cmsghdr head;
        memcpy(&head, control + at, sizeof head);
        if (head.cmsg_len < sizeof head || head.cmsg_len > size - at) {
            break;
        }
        for (size_t i = sizeof head; head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS && i + sizeof(int32_t) <= head.cmsg_len; i += sizeof(int32_t)) {
            int32_t fd;
            memcpy(&fd, control + at + i, sizeof fd);
            if (vk_fd_new(vk, fd, is_cloexec) < 0) {
                fd = -1;
                memcpy(control + at + i, &fd, sizeof fd);
                added = MSG_CTRUNC;
            }
        }
        const size_t step = (head.cmsg_len + 7) & ~(size_t)7;
        if (step > size - at) {
            break;
        }
        at += step;
    }
    return added;
}

int64_t vk_sys_recvmsg(Vk *vk, int32_t fd, GuestAddr message, uint32_t flags)
{
    WaliMsghdr guest;
    struct sockaddr_storage storage = {0};
    struct iovec iov[WALI_IOV_MAX];
    _Alignas(8) uint8_t control[CONTROL_MAX] = {0};
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (vk_copy_in(vk, &guest, message, sizeof guest) < 0) {
        return -EFAULT;
    }
    if (guest.msg_iovlen < 0 || guest.msg_iovlen > WALI_IOV_MAX) {
        return -EMSGSIZE;
    }
    int64_t r = vk_copy_iovec(vk, iov, guest.msg_iov, guest.msg_iovlen);
    if (r < 0) {
        return r;
    }
    const uint32_t room = guest.msg_control == 0 ? 0 : guest.msg_controllen < sizeof control ? guest.msg_controllen : (uint32_t)sizeof control;
    struct msghdr host = {
        .msg_name = guest.msg_name != 0 ? &storage : NULL, .msg_namelen = guest.msg_name != 0 ? sizeof storage : 0,
        .msg_iov = iov, .msg_iovlen = (size_t)guest.msg_iovlen, .msg_control = room != 0 ? control : NULL, .msg_controllen = room,
    };
    r = vk_block(vk, SYS_recvmsg, fd, VK_PTR(&host), flags, 0, 0, 0);
    if (r < 0) {
        return r;
    }
    host.msg_flags |= adopt_control(vk, control, host.msg_controllen, (flags & MSG_CMSG_CLOEXEC) != 0);
    if (guest.msg_name != 0) {
        const uint32_t part = guest.msg_namelen < host.msg_namelen ? guest.msg_namelen : host.msg_namelen;
        if (vk_copy_out(vk, guest.msg_name, &storage, part < sizeof storage ? part : sizeof storage) < 0) {
            return -EFAULT;
        }
    }
    guest.msg_namelen = guest.msg_name != 0 ? host.msg_namelen : guest.msg_namelen;
    guest.msg_controllen = (uint32_t)host.msg_controllen;
    guest.msg_flags = host.msg_flags;
    if ((room != 0 && vk_copy_out(vk, guest.msg_control, control, host.msg_controllen) < 0) || vk_copy_out(vk, message, &guest, sizeof guest) < 0) {
        return -EFAULT;
    }
    return r;
}

/* --- options --- */

static bool option_is_known(int32_t level, int32_t option, bool is_set)
{
    static const uint8_t socket_options[] = {
        SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE,
        SO_PRIORITY, SO_LINGER, SO_REUSEPORT, SO_PASSCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, SO_TIMESTAMP,
        SO_ACCEPTCONN, SO_TIMESTAMPNS, SO_PROTOCOL, SO_DOMAIN, SO_RXQ_OVFL, SO_PEEK_OFF, SO_INCOMING_CPU,
    };
    switch (level) {
    case SOL_SOCKET:
        for (size_t i = 0; i < sizeof socket_options; i++) {
            if (socket_options[i] == option) {
                return true;
            }
        }
        return !is_set && option == SO_PEERCRED;
    case IPPROTO_TCP:
        return (option >= TCP_NODELAY && option <= TCP_CONGESTION) || option == TCP_USER_TIMEOUT || option == TCP_FASTOPEN || option == TCP_NOTSENT_LOWAT;
    case IPPROTO_UDP:
        return option == 1 /* UDP_CORK */ || option == 103 || option == 104; /* UDP_SEGMENT, UDP_GRO */
    case IPPROTO_IP: case IPPROTO_IPV6: case IPPROTO_ICMPV6:
        return option >= 1 && option <= 82 && option != 64 && option != 65; /* 64 and 65 are netfilter's */
    default:
        return false;
    }
}

int64_t vk_sys_setsockopt(Vk *vk, int32_t fd, int32_t level, int32_t option, GuestAddr address, uint32_t size)
{
    uint8_t value[512];
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (!option_is_known(level, option, true)) {
        return -ENOPROTOOPT;
    }
    if (size > sizeof value) {
        return -EINVAL;
    }
    return vk_copy_in(vk, value, address, size) < 0 ? -EFAULT : vk_sys5(SYS_setsockopt, fd, level, option, VK_PTR(value), size);
}

int64_t vk_sys_getsockopt(Vk *vk, int32_t fd, int32_t level, int32_t option, GuestAddr address, GuestAddr size_address)
{
    uint8_t value[512] = {0};
    int32_t size;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (!option_is_known(level, option, false)) {
        return -ENOPROTOOPT;
    }
    if (vk_copy_in(vk, &size, size_address, sizeof size) < 0) {
        return -EFAULT;
    }
    if (size < 0) {
        return -EINVAL;
    }
    uint32_t room = (uint32_t)size < sizeof value ? (uint32_t)size : (uint32_t)sizeof value;
    const int64_t r = vk_sys5(SYS_getsockopt, fd, level, option, VK_PTR(value), VK_PTR(&room));
    if (r < 0) {
        return r;
    }
    return vk_copy_out(vk, address, value, room < sizeof value ? room : sizeof value) < 0 || vk_copy_out(vk, size_address, &room, sizeof room) < 0 ? -EFAULT : 0;
}
