/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c - brk, mmap and relatives inside linear memory.
 *
 *   0            initial memory        brk_start   brk_now   brk_end                    page_count * 64 KiB
 *   | data, stack of the program      | brk area  | reserved | mmap area, lowest first ... | not yet grown
 *
 * Linear memory is host memory, so a mapping of a file, shared or private, is a real mapping placed over the guest's
 * pages with MAP_FIXED. Everything happens in units of 4096 bytes, inside [0, page_limit) and never with PROT_EXEC.
 *
 *   used[]      page belongs to somebody. The program's own pages, and pages it got by memory.grow, count as used.
 *   special[]   page is not plain private zero-filled read-write memory: free pages are inaccessible (a stray store traps
 *               as on Linux), files, protections.
 *   backed[]    page is a file's or shared.
 * Growing takes memory.grow's own path (rt), in steps, so that memory.size and all bounds checks agree with us.
 * Thread rule: map.lock around each call; memory.grow of guest code does not take it, so the size may rise at any moment.
 */
#include "vk-int.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u
#define PAGES_PER_WASM (RT_PAGE_SIZE / PAGE)
#define PAGE_MAX (1u << 20)                       /* pages in 4 GiB */
#define BITMAP_SIZE (PAGE_MAX / 8)
#define GROW_STEP (4u << 20)                      /* bytes: linear memory grows in steps of at least this [guess] */
#define BRK_WINDOW (16u << 20)                    /* bytes kept free for brk, less when the limit is small [guess] */
#define HOST_FLAGS (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE)

static bool bit(const uint64_t *bits, uint64_t i) { return (bits[i / 64] >> (i % 64) & 1) != 0; }

static void set_bits(uint64_t *bits, uint64_t start, uint64_t count, bool value)
{
    for (uint64_t i = start, end = start + count; i < end;) {
        if (i % 64 == 0 && end - i >= 64) {
            bits[i / 64] = value ? UINT64_MAX : 0;
            i += 64;
        } else {
            bits[i / 64] = value ? bits[i / 64] | 1ull << (i % 64) : bits[i / 64] & ~(1ull << (i % 64));
            i++;
        }
    }
}

static bool any_bit(const uint64_t *bits, uint64_t start, uint64_t count)
{
    for (uint64_t i = start, end = start + count; i < end;) {
        if (i % 64 == 0 && end - i >= 64) {
            if (bits[i / 64] != 0) {
                return true;
            }
            i += 64;
        } else if (bit(bits, i++)) {
            return true;
        }
    }
    return false;
}

static bool all_bits(const uint64_t *bits, uint64_t start, uint64_t count)
{
    for (uint64_t i = start; i < start + count; i++) {
        if (!bit(bits, i)) {
            return false;
        }
    }
    return true;
}

static uint64_t page_limit(const Vk *vk)
{
    const uint64_t pages = (uint64_t)vk->instance->memory->page_limit * PAGES_PER_WASM;
    return pages < PAGE_MAX - PAGES_PER_WASM ? pages : PAGE_MAX - PAGES_PER_WASM; /* the end never wraps to 0 */
}

/* Another thread's memory.grow may raise it at any moment. */
static uint32_t wasm_pages(const Vk *vk)
{
    return __atomic_load_n(&vk->instance->memory->page_count, __ATOMIC_ACQUIRE);
}

static uint8_t *host_page(const Vk *vk, uint64_t page)
{
    return vk->instance->memory_base + page * PAGE;
}

int vk_map_setup(Vk *vk)
{
    VkMap *map = &vk->map;
    if (map->used == NULL) {
        void *bits = mmap(NULL, 3 * BITMAP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (bits == MAP_FAILED) {
            return -ENOMEM;
        }
        map->used = bits;
        map->special = map->used + BITMAP_SIZE / 8;
        map->backed = map->special + BITMAP_SIZE / 8;
    } else {
        (void)madvise(map->used, 3 * BITMAP_SIZE, MADV_DONTNEED);
    }
    map->is_ready = map->has_backed = false;
    return 0;
}

/* What the guest did with memory.grow since the last call is its own. */
static void sync_map(Vk *vk)
{
    VkMap *map = &vk->map;
    const uint32_t now = wasm_pages(vk);
    if (!map->is_ready) {
        must(map->used != NULL);
        map->is_ready = true;
        map->known_pages = now;
        set_bits(map->used, 0, (uint64_t)now * PAGES_PER_WASM, true);
        const uint64_t start = (uint64_t)now * RT_PAGE_SIZE;
        const uint64_t limit = page_limit(vk) * PAGE;
        uint64_t window = start < limit ? (limit - start) / 8 & ~(uint64_t)(RT_PAGE_SIZE - 1) : 0;
        window = window < BRK_WINDOW ? window : BRK_WINDOW;
        map->brk_start = map->brk_now = start;
        map->brk_end = start + window;
        map->search = map->brk_end / PAGE;
        set_bits(map->used, start / PAGE, window / PAGE, true);
    } else if (now > map->known_pages) {
        const uint64_t start = (uint64_t)map->known_pages * RT_PAGE_SIZE;
        set_bits(map->used, start / PAGE, (uint64_t)(now - map->known_pages) * PAGES_PER_WASM, true);
        if (start < map->brk_end) {
            map->brk_end = map->brk_now;
        }
        map->known_pages = now;
    }
}

/* Grows by count WASM pages, or by at least need. Return: the old size in WASM pages, UINT32_MAX. */
static uint32_t grow_by(Vk *vk, uint32_t need, uint32_t *ret_count)
{
    *ret_count = need > GROW_STEP / RT_PAGE_SIZE ? need : GROW_STEP / RT_PAGE_SIZE;
    uint32_t old = vk->instance->runtime->memory_grow(vk->instance, *ret_count);
    if (old == UINT32_MAX) {
        *ret_count = need;
        old = vk->instance->runtime->memory_grow(vk->instance, need);
    }
    return old;
}

/*
 * Linear memory reaches at least to page `end`; what is new is inaccessible and marked special. Another thread's memory.grow may get in between:
 * what it got is the program's own and as such in use; *ret_is_taken says that the caller's pages may be among it.
 */
static int grow_to(Vk *vk, uint64_t end, bool *ret_is_taken)
{
    VkMap *map = &vk->map;
    const uint64_t now = (uint64_t)map->known_pages * PAGES_PER_WASM;
    *ret_is_taken = false;
    if (end <= now) {
        return 0;
    }
    if (end > page_limit(vk)) {
        return -ENOMEM;
    }
    uint32_t count;
    const uint32_t old = grow_by(vk, (uint32_t)((end - now + PAGES_PER_WASM - 1) / PAGES_PER_WASM), &count);
    if (old == UINT32_MAX) {
        return -ENOMEM;
    }
    vk_fault_install(vk);
    const uint64_t start = (uint64_t)old * PAGES_PER_WASM, size = (uint64_t)count * PAGES_PER_WASM;
    if (old > map->known_pages) {
        set_bits(map->used, now, start - now, true);
        if (now * PAGE < map->brk_end) {
            map->brk_end = map->brk_now; /* as in sync_map() */
        }
        *ret_is_taken = true;
    }
    map->known_pages = old + count;
    if (mprotect(host_page(vk, start), size * PAGE, PROT_NONE) != 0) {
        set_bits(map->used, start, size, true); /* accessible, so nobody's: as if the program had grown it */
        return -ENOMEM;
    }
    set_bits(map->special, start, size, true);
    return 0;
}

/* Makes pages plain memory or a mapping of fd. The old content is gone. is_own: they are the caller's to replace, whoever uses them. */
static int64_t place_pages(Vk *vk, uint64_t page, uint64_t count, int protection, int flags, int fd, int64_t offset, bool is_own)
{
    VkMap *map = &vk->map;
    bool is_taken;
    int64_t r = grow_to(vk, page + count, &is_taken);
    if (r < 0) {
        return r;
    }
    if (is_taken && any_bit(map->used, page, count) && !is_own) {
        return -EAGAIN; /* place_free() looks for another place */
    }
    if (protection != (PROT_READ | PROT_WRITE) || (flags & MAP_ANONYMOUS) == 0) {
        vk_fault_install(vk);
    }
    r = vk_sys6(SYS_mmap, VK_PTR(host_page(vk, page)), count * PAGE, VK_ARG(protection), VK_ARG((flags & HOST_FLAGS) | MAP_FIXED), VK_ARG(fd), VK_ARG(offset));
    if (r < 0) {
        return r;
    }
    const bool is_backed = (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) != (MAP_ANONYMOUS | MAP_PRIVATE);
    set_bits(map->used, page, count, true);
    if (is_backed || map->has_backed) { /* most programs never map a file: their bitmap stays untouched */
        map->has_backed = true;
        set_bits(map->backed, page, count, is_backed);
    }
    set_bits(map->special, page, count, protection != (PROT_READ | PROT_WRITE) || is_backed);
    return 0;
}

static int64_t place_plain(Vk *vk, uint64_t page, uint64_t count)
{
    return place_pages(vk, page, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, true);
}

static int64_t release_pages(Vk *vk, uint64_t page, uint64_t count)
{
    VkMap *map = &vk->map;
    vk_fault_install(vk);
    const int64_t r = vk_sys6(SYS_mmap, VK_PTR(host_page(vk, page)), count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, UINT64_MAX, 0);
    if (r < 0) {
        return r;
    }
    set_bits(map->used, page, count, false);
    set_bits(map->special, page, count, true);
    if (page < map->search && page * PAGE >= map->brk_end) {
        map->search = page;
    }
    return 0;
}

/* Lowest run of free pages in the mmap area. Return: page or -ENOMEM. */
static int64_t find_free(Vk *vk, uint64_t count)
{
    VkMap *map = &vk->map;
    const uint64_t limit = page_limit(vk);
    uint64_t start = map->search;
    bool is_first = true;
    while (start < limit && count <= limit - start) {
        if (start % 64 == 0 && map->used[start / 64] == UINT64_MAX) {
            start += 64;
            continue;
        }
        if (bit(map->used, start)) {
            start++;
            continue;
        }
        if (is_first) {
            map->search = start; /* everything below is in use */
            is_first = false;
        }
        uint64_t end = start + 1;
        while (end < start + count && !bit(map->used, end)) {
            end++;
        }
        if (end == start + count) {
            return (int64_t)start;
        }
        start = end;
    }
    return -ENOMEM;
}

/* Free pages, wherever they are, made plain memory or a mapping. Return: the first page or < 0. */
static int64_t place_free(Vk *vk, uint64_t count, int protection, int flags, int fd, int64_t offset)
{
    for (;;) { /* again only when another thread's memory.grow took the place: each round the memory is larger */
        const int64_t page = find_free(vk, count);
        const int64_t r = page < 0 ? page : place_pages(vk, (uint64_t)page, count, protection, flags, fd, offset, false);
        if (r != -EAGAIN) {
            return r < 0 ? r : page;
        }
    }
}

int64_t vk_map_allocate(Vk *vk, uint64_t size)
{
    VK_GUARD(&vk->map.lock);
    sync_map(vk);
    const int64_t page = place_free(vk, (size + PAGE - 1) / PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return page < 0 ? page : page * PAGE;
}

/* A page-aligned range inside the limit. */
static bool range_is_good(const Vk *vk, GuestAddr address, uint64_t size, uint64_t *ret_page, uint64_t *ret_count)
{
    *ret_page = address / PAGE;
    *ret_count = (size + PAGE - 1) / PAGE;
    return address % PAGE == 0 && *ret_page <= page_limit(vk) && *ret_count <= page_limit(vk) - *ret_page;
}

int64_t vk_sys_brk(Vk *vk, GuestAddr address)
{
    VK_GUARD(&vk->map.lock);
    sync_map(vk);
    VkMap *map = &vk->map;
    if (address < map->brk_start || address > map->brk_end) {
        return (int64_t)map->brk_now;
    }
    const uint64_t old = (map->brk_now + PAGE - 1) / PAGE;
    const uint64_t new = ((uint64_t)address + PAGE - 1) / PAGE;
    int64_t r = 0;
    bool is_taken = false;
    if (new > old && grow_to(vk, new, &is_taken) == 0 && is_taken && map->brk_end < (uint64_t)new * PAGE) {
        r = -ENOMEM; /* another thread's memory.grow has taken what was kept for brk */
    } else if (new > old) {
        r = place_plain(vk, old, new - old);
    } else if (new < old) {
        r = release_pages(vk, new, old - new);
        set_bits(map->used, new, old - new, true); /* stays reserved for brk */
    }
    if (r == 0) {
        map->brk_now = address;
    }
    return (int64_t)map->brk_now;
}

int64_t vk_sys_mmap(Vk *vk, GuestAddr address, uint32_t size, uint32_t protection, uint32_t flags, int32_t fd, int64_t offset)
{
    VK_GUARD(&vk->map.lock);
    sync_map(vk);
    uint64_t page, count;
    if ((protection & PROT_EXEC) != 0) {
        return -EACCES; /* data only: nothing a guest maps is ever executed */
    }
    const uint32_t kind = flags & MAP_TYPE;
    if (size == 0 || (protection & ~(uint32_t)(PROT_READ | PROT_WRITE)) != 0 || (flags & (MAP_HUGETLB | MAP_GROWSDOWN)) != 0 ||
        (kind != MAP_PRIVATE && kind != MAP_SHARED && kind != MAP_SHARED_VALIDATE)) {
        return -EINVAL;
    }
    if (kind == MAP_SHARED_VALIDATE) {
        flags = (flags & ~(uint32_t)MAP_TYPE) | MAP_SHARED;
    }
    const bool is_anonymous = (flags & MAP_ANONYMOUS) != 0;
    if (!is_anonymous && vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (!is_anonymous && (offset < 0 || offset % PAGE != 0)) {
        return -EINVAL;
    }
    const bool is_fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
    if (is_fixed) {
        if (address % PAGE != 0) {
            return -EINVAL;
        }
        if (!range_is_good(vk, address, size, &page, &count)) {
            return -ENOMEM;
        }
        if (page == 0) {
            return -EPERM; /* as vm.mmap_min_addr does */
        }
        if ((flags & MAP_FIXED_NOREPLACE) != 0 && any_bit(vk->map.used, page, count)) {
            return -EEXIST;
        }
    } else {
        page = 0;
        count = ((uint64_t)size + PAGE - 1) / PAGE;
    }
    if (is_anonymous) {
        flags |= MAP_NORESERVE;
        fd = -1;
        offset = 0;
    }
    if (!is_fixed) {
        const int64_t placed = place_free(vk, count, (int)protection, (int)flags, fd, offset);
        return placed < 0 ? placed : placed * PAGE;
    }
    const int64_t r = place_pages(vk, page, count, (int)protection, (int)flags, fd, offset, true);
    return r < 0 ? r : (int64_t)(page * PAGE);
}

int64_t vk_sys_munmap(Vk *vk, GuestAddr address, uint32_t size)
{
    VK_GUARD(&vk->map.lock);
    sync_map(vk);
    uint64_t page, count;
    if (size == 0 || !range_is_good(vk, address, size, &page, &count)) {
        return -EINVAL;
    }
    const uint64_t end = (uint64_t)wasm_pages(vk) * PAGES_PER_WASM;
    if (page >= end) {
        return 0; /* nothing is mapped there */
    }
    return release_pages(vk, page, count < end - page ? count : end - page);
}

int64_t vk_sys_mprotect(Vk *vk, GuestAddr address, uint32_t size, uint32_t protection)
{
    VK_GUARD(&vk->map.lock);
    sync_map(vk);
    uint64_t page, count;
    if ((protection & PROT_EXEC) != 0) {
        return -EACCES;
    }
    if ((protection & ~(uint32_t)(PROT_READ | PROT_WRITE)) != 0 || address % PAGE != 0) {
        return -EINVAL;
    }
    if (!range_is_good(vk, address, size, &page, &count) || page + count > (uint64_t)wasm_pages(vk) * PAGES_PER_WASM ||
        !all_bits(vk->map.used, page, count)) {
        return -ENOMEM;
    }
    if (count == 0) {
        return 0;
    }
    vk_fault_install(vk);
    const int64_t r = vk_sys3(SYS_mprotect, VK_PTR(host_page(vk, page)), count * PAGE, protection);
    if (r == 0 && protection != (PROT_READ | PROT_WRITE)) {
        set_bits(vk->map.special, page, count, true);
    }
    return r;
}

/*
 * Moves a mapping over plain pages. The old ones stay mapped wherever the kernel can (private: Linux 5.7, files 5.13; shared ones are mapped a second
 * time), because another thread's mmap in the runtime could be given a hole in the reservation. Only a growing private mapping of a file leaves
 * one for a moment: linear memory lies lower than where the kernel looks first.
 */
static int64_t move_mapping(Vk *vk, uint64_t page, uint64_t old_count, uint64_t to, uint64_t new_count)
{
    const uint64_t from = VK_PTR(host_page(vk, page)), target = VK_PTR(host_page(vk, to)), size = old_count * PAGE, new_size = new_count * PAGE;
    const bool is_backed = vk->map.has_backed && any_bit(vk->map.backed, page, old_count);
    int64_t r = -EINVAL;
    if (is_backed) {
        r = vk_sys5(SYS_mremap, from, 0, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    }
    if (r == -EINVAL && (!is_backed || new_size == size)) {
        r = vk_sys5(SYS_mremap, from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, target);
    }
    if (r == -EINVAL) {
        r = vk_sys5(SYS_mremap, from, size, is_backed ? new_size : size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    }
    return r;
}

/* Moves old_count pages to `to` and makes the rest of new_count there. */
static int64_t move_pages(Vk *vk, uint64_t page, uint64_t old_count, uint64_t to, uint64_t new_count)
{
    VkMap *map = &vk->map;
    const bool is_special = any_bit(map->special, page, old_count);
    int64_t r = place_plain(vk, to, new_count);
    if (r < 0) {
        return r;
    }
    r = move_mapping(vk, page, old_count, to, new_count);
    if (r == -EFAULT && !is_special) { /* several host mappings: the program's initial memory, for instance */
        r = vk_copy_raw(host_page(vk, to), host_page(vk, page), old_count * PAGE) == 0 ? 0 : -EFAULT;
    }
    if (r < 0) {
        (void)release_pages(vk, to, new_count);
        return r;
    }
    set_bits(map->special, to, new_count, is_special);
    if (map->has_backed) {
        set_bits(map->backed, to, new_count, any_bit(map->backed, page, old_count));
    }
    r = release_pages(vk, page, old_count);
    return r < 0 ? r : (int64_t)(to * PAGE);
}

int64_t vk_sys_mremap(Vk *vk, GuestAddr address, uint32_t old_size, uint32_t new_size, uint32_t flags, GuestAddr new_address)
{
    VK_GUARD(&vk->map.lock);
    sync_map(vk);
    VkMap *map = &vk->map;
    uint64_t page, old_count;
    if ((flags & ~(uint32_t)(MREMAP_MAYMOVE | MREMAP_FIXED)) != 0 || new_size == 0 || old_size == 0 || address % PAGE != 0 ||
        ((flags & MREMAP_FIXED) != 0 && ((flags & MREMAP_MAYMOVE) == 0 || new_address % PAGE != 0))) {
        return -EINVAL;
    }
    const uint64_t end = (uint64_t)wasm_pages(vk) * PAGES_PER_WASM;
    if (!range_is_good(vk, address, old_size, &page, &old_count) || page + old_count > end || !all_bits(map->used, page, old_count)) {
        return -EFAULT;
    }
    const uint64_t new_count = ((uint64_t)new_size + PAGE - 1) / PAGE;
    if ((flags & MREMAP_FIXED) != 0) {
        uint64_t to, count;
        if (!range_is_good(vk, new_address, new_size, &to, &count) || to == 0) {
            return -ENOMEM;
        }
        if (to < page + old_count && page < to + new_count) {
            return -EINVAL;
        }
        return move_pages(vk, page, old_count < new_count ? old_count : new_count, to, new_count);
    }
    if (new_count <= old_count) {
        const int64_t r = new_count < old_count ? release_pages(vk, page + new_count, old_count - new_count) : 0;
        return r < 0 ? r : (int64_t)address;
    }
    const uint64_t more = new_count - old_count;
    if (page + new_count <= page_limit(vk) && !any_bit(map->used, page + old_count, more) && !any_bit(map->special, page, old_count)) {
        const int64_t r = place_pages(vk, page + old_count, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, false);
        if (r != -EAGAIN) {
            return r < 0 ? r : (int64_t)address;
        }
    }
    if ((flags & MREMAP_MAYMOVE) == 0) {
        return -ENOMEM;
    }
    const int64_t found = place_free(vk, new_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const int64_t r = found < 0 ? found : move_pages(vk, page, old_count, (uint64_t)found, new_count);
    if (r < 0 && found >= 0) {
        (void)release_pages(vk, (uint64_t)found, new_count);
    }
    return r;
}

/* Calls on existing pages that the host may serve as they are. */
static int64_t call_on_range(Vk *vk, long number, GuestAddr address, uint32_t size, uint64_t argument)
{
    uint64_t page, count;
    if (address % PAGE != 0) {
        return -EINVAL;
    }
    if (!range_is_good(vk, address, size, &page, &count) || page + count > (uint64_t)wasm_pages(vk) * PAGES_PER_WASM) {
        return -ENOMEM;
    }
    return vk_sys3(number, VK_PTR(host_page(vk, page)), count * PAGE, argument);
}

int64_t vk_sys_madvise(Vk *vk, GuestAddr address, uint32_t size, int32_t advice)
{
    switch (advice) {
    case MADV_NORMAL: case MADV_RANDOM: case MADV_SEQUENTIAL: case MADV_WILLNEED: case MADV_DONTNEED: case MADV_FREE:
    case MADV_HUGEPAGE: case MADV_NOHUGEPAGE:
        return call_on_range(vk, SYS_madvise, address, size, (uint64_t)advice);
    default:
        return -EINVAL;
    }
}

int64_t vk_sys_msync(Vk *vk, GuestAddr address, uint32_t size, uint32_t flags)
{
    return call_on_range(vk, SYS_msync, address, size, flags);
}

int64_t vk_sys_mincore(Vk *vk, GuestAddr address, uint32_t size, GuestAddr vector)
{
    const uint64_t count = ((uint64_t)size + PAGE - 1) / PAGE;
    uint8_t *out = vk_guest(vk, vector, count);
    return out == NULL ? -EFAULT : call_on_range(vk, SYS_mincore, address, size, VK_PTR(out));
}

int64_t vk_sys_mlock(Vk *vk, GuestAddr address, uint32_t size)
{
    const uint32_t inside = address % PAGE;
    return size > UINT32_MAX - inside ? -ENOMEM : call_on_range(vk, SYS_mlock, address - inside, size + inside, 0);
}

int64_t vk_sys_munlock(Vk *vk, GuestAddr address, uint32_t size)
{
    const uint32_t inside = address % PAGE;
    return size > UINT32_MAX - inside ? -ENOMEM : call_on_range(vk, SYS_munlock, address - inside, size + inside, 0);
}

int64_t vk_sys_mlockall(Vk *vk, uint32_t flags)
{
    (void)vk;
    (void)flags;
    return -EPERM; /* would lock the whole reservation of the runtime */
}

int64_t vk_sys_munlockall(Vk *vk)
{
    (void)vk;
    return 0;
}
