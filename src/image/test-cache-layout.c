/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cache-layout.c - the profile that the cache remembers: kept, replaced, damaged, forgotten; which objects go with it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/tap.h"
#include "image/cache-int.h"

#define HEX "0500000000000000000000000000000000000000000000000000000000000000"
#define OTHER "0600000000000000000000000000000000000000000000000000000000000000"
static const Digest megabinary = {{5}};
static char directory[] = "/tmp/test-cache-layout-XXXXXX";
static int dir_fd = -1;

static CacheLayout layout_of(uint32_t func)
{
    uint32_t funcs[] = {func, 7};
    const Profile profile = {.megabinary = megabinary, .func_count = 2, .funcs = funcs};
    CacheLayout layout = {.text = BUF_INIT(PROFILE_SIZE_MAXIMUM)};
    must(layout_given(&profile, &layout, NULL) == 0 && layout.is_laid_out && layout.text.size > 0);
    return layout;
}

static CacheLayout kept(void)
{
    CacheLayout layout = {.text = BUF_INIT(PROFILE_SIZE_MAXIMUM)};
    layout_kept(dir_fd, &megabinary, &layout);
    must(layout.text.size == 0);
    return layout;
}

static bool is_there(const char *name) { return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

static void put(const char *name, const void *bytes, size_t size, mode_t mode)
{
    (void)unlinkat(dir_fd, name, 0);
    must(file_write_atomic(dir_fd, name, bytes, size, mode, NULL) == 0);
}

static void test_remembered(void)
{
    int fd = -1;
    CacheLayout none = kept();
    must(!none.is_laid_out && layout_open(dir_fd, &megabinary, &none, &fd, NULL) == 0 && fd == -1);
    CacheLayout first = layout_of(1);
    must(layout_remember(dir_fd, &megabinary, &first, NULL) == 0);
    CacheLayout again = kept();
    must(again.is_laid_out && digest_equals(&again.digest, &first.digest));
    must(layout_open(dir_fd, &megabinary, &again, &fd, NULL) == 0 && fd >= 0);
    Digest digest;
    uint64_t size;
    must(sha256_fd(fd, &digest, &size) == 0 && size == first.text.size && digest_equals(&digest, &first.digest));
    (void)fd_close(fd);
    buf_deinit(&again.text);
    CacheLayout other = {.text = BUF_INIT(PROFILE_SIZE_MAXIMUM)};
    layout_kept(dir_fd, &(Digest){{6}}, &other);
    must(!other.is_laid_out);
    must(layout_remember(dir_fd, &megabinary, &other, NULL) == 0 && !kept().is_laid_out); /* forgotten */
    must(layout_remember(dir_fd, &megabinary, &other, NULL) == 0);
    buf_deinit(&first.text);
}

/* Somebody remembers another one between the look-up and the compilation: it stays. */
static void test_replaced(void)
{
    int fd = -1;
    CacheLayout first = layout_of(1), second = layout_of(2);
    must(layout_remember(dir_fd, &megabinary, &first, NULL) == 0);
    CacheLayout found = kept();
    must(layout_remember(dir_fd, &megabinary, &second, NULL) == 0);
    must(layout_open(dir_fd, &megabinary, &found, &fd, NULL) == -ESTALE && fd == -1);
    CacheLayout now = kept();
    must(now.is_laid_out && digest_equals(&now.digest, &second.digest) && layout_open(dir_fd, &megabinary, &now, &fd, NULL) == 0);
    (void)fd_close(fd);
    buf_deinit(&found.text);
    buf_deinit(&now.text);
    buf_deinit(&first.text);
    buf_deinit(&second.text);
}

static void test_damaged(void)
{
    CacheLayout layout = layout_of(3);
    char *good;
    size_t size;
    must(layout_remember(dir_fd, &megabinary, &layout, NULL) == 0);
    must(file_read(dir_fd, HEX ".profile", 1 << 20, &good, &size, NULL) == 0);
    for (size_t cut = 0; cut < size; cut++) { /* a header that does not fit the file is no profile */
        put(HEX ".profile", good, cut, 0400);
        must(!kept().is_laid_out);
    }
    for (size_t i = 0; i < size; i += i < 60 ? 1 : 7) { /* a changed byte shows in the header, or when the text is read: then it is removed */
        int fd = -1;
        good[i] ^= 1;
        put(HEX ".profile", good, size, 0400);
        good[i] ^= 1;
        CacheLayout found = kept();
        must(!found.is_laid_out || i >= 16);
        must(!found.is_laid_out || (layout_open(dir_fd, &megabinary, &found, &fd, NULL) == -ESTALE && fd == -1 && !is_there(HEX ".profile")));
        buf_deinit(&found.text);
    }
    put(HEX ".profile", good, size, 0644); /* somebody could have written to it */
    must(!kept().is_laid_out);
    put("elsewhere", good, size, 0400);
    must(unlinkat(dir_fd, HEX ".profile", 0) == 0 && symlinkat("elsewhere", dir_fd, HEX ".profile") == 0 && !kept().is_laid_out);
    must(unlinkat(dir_fd, HEX ".profile", 0) == 0 && mkfifoat(dir_fd, HEX ".profile", 0400) == 0 && !kept().is_laid_out);
    must(layout_remember(dir_fd, &megabinary, &layout, NULL) == 0 && kept().is_laid_out);
    buf_deinit(&layout.text);
    free(good);
}

/* Only objects of this megabinary and of another layout go, whatever their variant. */
static void test_objects(void)
{
    static const char *const always[] = {HEX "-0123456789abcdef-record.so", HEX "-0123456789abcdef-record.sum", OTHER "-0123456789abcdef.so",
                                         OTHER "-0123456789abcdef-0123456789abcdef.so", ".lock-" HEX "-0123456789abcdef", ".new-" HEX "-0123456789abcdef"};
    static const char *const plain[] = {HEX "-0123456789abcdef.so", HEX "-0123456789abcdef.sum", HEX "-fedcba9876543210.so"};
    static const char *const others[] = {HEX "-0123456789abcdef-0123456789abcdef.so", HEX "-0123456789abcdef-0123456789abcdef.sum"};
    CacheLayout layout = layout_of(4), none = {0};
    char suffix[CACHE_SUFFIX_SIZE], own[200];
    layout_suffix(&none, suffix);
    must(suffix[0] == '\0');
    layout_suffix(&layout, suffix);
    must(strlen(suffix) == 17 && suffix[0] == '-');
    (void)snprintf(own, sizeof(own), "%s-0123456789abcdef%s.so", HEX, suffix);
    for (int is_laid_out = 1; is_laid_out >= 0; is_laid_out--) {
        const char *const *const lists[] = {always, plain, others};
        const size_t counts[] = {TAP_COUNT(always), TAP_COUNT(plain), TAP_COUNT(others)};
        for (size_t list = 0; list < 3; list++) {
            for (size_t i = 0; i < counts[list]; i++) {
                put(lists[list][i], "x", 1, 0400);
            }
        }
        put(own, "x", 1, 0400);
        must(layout_remember(dir_fd, &megabinary, is_laid_out ? &layout : &none, NULL) == 0);
        for (size_t list = 0; list < 3; list++) {
            for (size_t i = 0; i < counts[list]; i++) {
                must(is_there(lists[list][i]) == (list == 0 || (list == 1 && !is_laid_out)));
            }
        }
        must(is_there(own) == is_laid_out && is_there(HEX ".profile") == is_laid_out);
    }
    buf_deinit(&layout.text);
}

int main(void)
{
    static const TapCase cases[] = {
        {"remembered by megabinary, forgotten again", test_remembered},
        {"one that was replaced meanwhile stays", test_replaced},
        {"damaged, foreign and strange files are no profile", test_damaged},
        {"objects of another layout go", test_objects},
    };
    must(mkdtemp(directory) != NULL);
    dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(dir_fd >= 0);
    const int result = tap_main(cases, TAP_COUNT(cases));
    (void)fd_close(dir_fd);
    must(tree_remove(AT_FDCWD, directory, NULL) == 0);
    return result;
}
