/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exec gate against the attacks of the list "guest view" that need no guest: names, kinds of files, changed bytes,
 * links and escapes, scripts, descriptors, races, stored digests, exhaustion. Row numbers (G1..) are those of
 * doc/formats/manifest.md, "What the gate is tested against".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"
#include "manifest/audit.h"
#include "manifest/gate.h"
#include "manifest/policy.h"

#define MINIMUM_FD 200
#define GOOD "good program, version one\n"
#define EVIL "evil program, version one\n" /* same size */
#define OTHER "other program, not version one, and longer\n"

static int test_count;
static char scratch[] = "/tmp/test-gate-XXXXXX";
static Manifest *manifest;
static GateVerdict verdict; /* large: not on the stack */

static void ok(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

static void skip(const char *name, const char *reason)
{
    printf("ok %d - %s # SKIP %s\n", ++test_count, name, reason);
}

static const char *in(const char *name)
{
    static char paths[8][LIMIT_PATH_SIZE];
    static int next;
    char *path = paths[next++ % 8];
    must(snprintf(path, LIMIT_PATH_SIZE, "%s/%s", scratch, name) < LIMIT_PATH_SIZE);
    return path;
}

static void put(const char *path, const void *bytes, size_t size, mode_t mode)
{
    must(unlink(path) == 0 || errno == ENOENT);
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && fd_write_full(fd, bytes, size) == 0 && fchmod(fd, mode) == 0);
}

static void put_text(const char *name, const char *text, mode_t mode)
{
    put(in(name), text, strlen(text), mode);
}

/* --- fixture --- */

#define SCRIPTS_MAX 16
static const char *script_texts[SCRIPTS_MAX] = {
    "#!/bin/good\nscript one\n",
    "#! \t/bin/good -x  y \nspaces\n",
    "#!/bin/good",
    "#!/bin/missing\n",
    "#!/bin/unlisted\n",
    "#!/s/chain1\n#0",
    "#!/s/chain2\n#1",
    "#!/s/chain3\n#2",
    "#!/s/chain4\n#33",
    "#!/bin/good\n#444 the end of the chain\n",
    "#!/s/itself\n",
    "#!/bin/good\r\ncarriage return",
    "#!/bin/other -c evil\n",
    "#!/bin/good -f\nwrong interpreter",
};
static const char *script_interpreters[SCRIPTS_MAX] = {
    "/bin/good", "/bin/good", "/bin/good", "/bin/missing", "/bin/unlisted", "/s/chain1",  "/s/chain2",
    "/s/chain3", "/s/chain4", "/bin/good", "/s/itself",    "/bin/good",     "/bin/other", "/bin/other",
};

static void digest_of(const char *text, Digest *digest)
{
    must(sha256(text, strlen(text), digest) == 0);
}

static void make_manifest(void)
{
    static const char *const paths[] = {"/bin/any"};
    static const char *const applets[] = {"multi", "ls", "["};
    static ManifestProgramSpec programs[4] = {
        {.entry = "bin/good", .abi = "wali"},
        {.entry = "bin/other", .abi = "wasi", .flags = MANIFEST_INTERPRETER},
        {.entry = "bin/multi", .abi = "wali", .applets = applets, .applet_count = 3},
        {.entry = "bin/empty", .abi = "wali"},
    };
    static const char *const texts[4] = {GOOD, OTHER, "multi-call program", ""};
    static ManifestScriptSpec scripts[SCRIPTS_MAX];
    size_t script_count = 0;
    for (size_t i = 0; i < 4; i++) {
        digest_of(texts[i], &programs[i].digest);
        programs[i].size = strlen(texts[i]);
        programs[i].paths = paths;
        programs[i].path_count = 1;
    }
    for (; script_texts[script_count] != NULL; script_count++) {
        digest_of(script_texts[script_count], &scripts[script_count].digest);
        scripts[script_count].size = strlen(script_texts[script_count]);
        scripts[script_count].interpreter = script_interpreters[script_count];
        scripts[script_count].paths = paths;
        scripts[script_count].path_count = 1;
    }
    const ManifestSpec spec = {.name = "test",
                               .serial = 5,
                               .created = "2026-01-01T00:00:00Z",
                               .megabinary_size = 1,
                               .programs = programs,
                               .program_count = 3,
                               .scripts = scripts,
                               .script_count = script_count};
    Buf text = BUF_INIT(1 << 20);
    Error err = ERROR_INIT;
    if (manifest_write(&spec, &text, &err) < 0 || manifest_parse((char *)text.bytes, text.size, &manifest, &err) < 0) {
        printf("Bail out! %s\n", err.message);
        exit(1);
    }
    buf_deinit(&text);
}

static void make_root(void)
{
    must(mkdir(in("root"), 0755) == 0 && mkdir(in("root/bin"), 0755) == 0 && mkdir(in("root/s"), 0755) == 0);
    put_text("root/bin/good", GOOD, 0755);
    put_text("root/bin/other", OTHER, 0755);
    put_text("root/bin/evil", EVIL, 0755);
    put_text("root/bin/multi", "multi-call program", 0755);
    put_text("root/bin/unlisted", "unlisted", 0755);
    for (size_t i = 0; script_texts[i] != NULL; i++) {
        char name[64];
        must(snprintf(name, sizeof(name), "root/s/%zu", i) > 0);
        put_text(name, script_texts[i], 0755);
    }
    for (int i = 0; i < 5; i++) {
        char from[16], to[64];
        must(snprintf(from, sizeof(from), "%d", 5 + i) > 0 && snprintf(to, sizeof(to), "root/s/chain%d", i) > 0);
        must(symlink(from, in(to)) == 0);
    }
    must(symlink("10", in("root/s/itself")) == 0);
}

static Gate *gate_with(const Policy *policy, Audit *audit)
{
    static int root_fd = -1;
    if (root_fd < 0) {
        root_fd = open(in("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    static const char *const keys[] = {"keyid"};
    const GateConfig config = {.root_fd = root_fd,
                               .lower_fd = -1,
                               .upper_fd = -1,
                               .manifest = manifest,
                               .policy = policy,
                               .audit = audit,
                               .container = "c",
                               .image = "i",
                               .keys = keys,
                               .key_count = 1,
                               .minimum_fd = MINIMUM_FD};
    Gate *gate = NULL;
    must(gate_new(&config, &gate, NULL) == 0);
    return gate;
}

/* Descriptors below MINIMUM_FD must be the same after a decision, and no more above than the verdict holds. */
static uint64_t descriptors(int *high_count)
{
    uint64_t hash = 0;
    *high_count = 0;
    for (int fd = 0; fd < MINIMUM_FD + 60; fd++) {
        struct stat status;
        const bool is_open = fstat(fd, &status) == 0;
        if (fd < MINIMUM_FD) {
            hash = hash * 31 + (is_open ? (uint64_t)status.st_ino * 2 + 1 : 0);
        } else {
            *high_count += is_open;
        }
    }
    return hash;
}

static int decide(Gate *gate, const GateRequest *request)
{
    int before_high, after_high;
    const uint64_t before = descriptors(&before_high);
    const int r = gate_decide(gate, request, &verdict);
    must(descriptors(&after_high) == before);
    must(after_high - before_high == (verdict.file_fd >= 0) + (verdict.script_fd >= 0));
    must((verdict.file_fd < 0 || verdict.file_fd >= MINIMUM_FD) &&
         (verdict.script_fd < 0 || verdict.script_fd >= MINIMUM_FD));
    must(verdict.reason != NULL && verdict.reason[0] != '\0');
    return r;
}

static GateRequest request_of(const char *path)
{
    return (GateRequest){.dirfd = AT_FDCWD, .cwd = "/", .path = path, .argv0 = path, .pid = 42};
}

static void fail(const char *path, const char *wanted)
{
    printf("not ok - %s: got %s error %d \"%s\" entry %s, want %s\n", path,
           verdict.kind == GATE_ALLOW ? "allow" : "deny", verdict.error, verdict.reason,
           verdict.row.entry != NULL ? verdict.row.entry : "-", wanted);
    exit(1);
}

static void expect_error(Gate *gate, const char *path, int error)
{
    const GateRequest request = request_of(path);
    if (decide(gate, &request) != 0 || verdict.kind != GATE_DENY || verdict.error != error) {
        fail(path, error_name(error));
    }
}

static void expect_entry(Gate *gate, const char *path, const char *entry)
{
    const GateRequest request = request_of(path);
    if (decide(gate, &request) != 0 || verdict.kind != GATE_ALLOW || strcmp(verdict.row.entry, entry) != 0) {
        fail(path, entry);
    }
    gate_verdict_deinit(&verdict);
}

/* --- rows --- */

static void test_bytes(Gate *gate)
{
    expect_entry(gate, "/bin/good", "bin/good");
    expect_error(gate, "/bin/evil", EACCES);
    for (size_t bit = 0; bit < 8 * strlen(GOOD); bit += 13) {
        char changed[] = GOOD;
        changed[bit / 8] ^= (char)(1 << bit % 8);
        put(in("root/bin/x"), changed, strlen(changed), 0755);
        expect_error(gate, "/bin/x", EACCES);
    }
    put(in("root/bin/x"), GOOD, strlen(GOOD) - 1, 0755);
    expect_error(gate, "/bin/x", EACCES);
    put_text("root/bin/x", GOOD "x", 0755);
    expect_error(gate, "/bin/x", EACCES);
    put_text("root/bin/x", "", 0755);
    expect_error(gate, "/bin/x", EACCES);
    put_text("root/bin/x",
             "\x7f"
             "ELF nonsense",
             0755);
    expect_error(gate, "/bin/x", EACCES);
    ok("G1 unknown, flipped, truncated, appended, empty: EACCES");
}

static void test_names(Gate *gate)
{
    char name[5000];
    expect_error(gate, "/bin/none", ENOENT);
    expect_error(gate, "", ENOENT);
    expect_error(gate, "/bin/good/x", ENOTDIR);
    expect_error(gate, "/bin/good/", ENOTDIR);
    must(symlink("loop2", in("root/loop1")) == 0 && symlink("loop1", in("root/loop2")) == 0);
    expect_error(gate, "/loop1", ELOOP);
    expect_error(gate, "/loop1/x", ELOOP);
    memset(name, 'a', sizeof(name));
    name[0] = '/';
    name[300] = '\0';
    expect_error(gate, name, ENAMETOOLONG);
    name[300] = 'a';
    name[4999] = '\0';
    expect_error(gate, name, ENAMETOOLONG);
    must(symlink("nowhere", in("root/dangling")) == 0);
    expect_error(gate, "/dangling", ENOENT);
    GateRequest request = request_of("good");
    request.cwd = "/bin";
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW);
    must(strcmp(verdict.steps[0].resolved, "/bin/good") == 0);
    gate_verdict_deinit(&verdict);
    request.path = "./.././bin//good";
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW &&
         strcmp(verdict.steps[0].resolved, "/bin/good") == 0);
    gate_verdict_deinit(&verdict);
    ok("G2 missing, not a directory, loop, long; relative to the guest's directory");
}

static void test_kinds(Gate *gate)
{
    put_text("root/bin/plain", GOOD, 0644);
    expect_error(gate, "/bin/plain", EACCES);
    put_text("root/bin/onlyx", GOOD, 0001);
    if (geteuid() == 0) {
        expect_entry(gate, "/bin/onlyx", "bin/good");
    } else {
        expect_error(gate, "/bin/onlyx", EACCES);
    }
    expect_error(gate, "/bin", EACCES);
    expect_error(gate, "/", EACCES);
    must(mkfifo(in("root/fifo"), 0777) == 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    must(snprintf(address.sun_path, sizeof(address.sun_path), "%s/root/socket", scratch) <
         (int)sizeof(address.sun_path));
    _cleanup_(fd_closep) int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(socket_fd >= 0 && bind(socket_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    const bool has_device = mknod(in("root/null"), S_IFCHR | 0777, makedev(1, 3)) == 0;
    alarm(5); /* a gate that blocks dies here */
    expect_error(gate, "/fifo", EACCES);
    expect_error(gate, "/socket", EACCES);
    if (has_device) {
        expect_error(gate, "/null", EACCES);
    }
    alarm(0);
    ok(has_device ? "G3 no x bit, directory, FIFO, socket, device: EACCES at once"
                  : "G3 no x bit, directory, FIFO, socket: EACCES at once (no device: mknod is not allowed here)");
    if (geteuid() != 0) {
        skip("G3 x bit of another class", "needs root to change the user id");
        return;
    }
    put_text("root/bin/owner", GOOD, 0744);
    const pid_t child = fork();
    if (child == 0) {
        must(chmod(scratch, 0755) == 0 && setgid(12345) == 0 && setuid(12345) == 0);
        const GateRequest request = request_of("/bin/owner");
        must(gate_decide(gate, &request, &verdict) == 0 && verdict.kind == GATE_DENY && verdict.error == EACCES);
        const GateRequest world = request_of("/bin/good");
        must(gate_decide(gate, &world, &verdict) == 0 && verdict.kind == GATE_ALLOW); /* G4: other uid */
        _exit(0);
    }
    int status = 0;
    must(waitpid(child, &status, 0) == child && status == 0);
    ok("G3 x bit only for the owner: EACCES for another user, G4 other uid runs");
}

static void test_aliases(Gate *gate)
{
    must(mkdir(in("root/deep"), 0755) == 0 && link(in("root/bin/good"), in("root/deep/renamed")) == 0);
    must(symlink("../bin/good", in("root/deep/link")) == 0 && symlink("/bin", in("root/deep/dir")) == 0);
    must(symlink("/../../../../bin/good", in("root/deep/up")) == 0);
    put_text("root/deep/copy", GOOD, 0755);
    static const char *const names[] = {"/deep/renamed",       "/deep/link",  "/deep/dir/good",
                                        "/deep/copy",          "/deep/up",    "/../../bin/good",
                                        "/deep/../bin/./good", "//bin//good", "/deep/dir/../bin/good"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        expect_entry(gate, names[i], "bin/good");
    }
    const GateRequest request = request_of("/deep/dir/good");
    must(decide(gate, &request) == 0 && strcmp(verdict.steps[0].resolved, "/bin/good") == 0 &&
         strcmp(verdict.steps[0].path, "/deep/dir/good") == 0);
    gate_verdict_deinit(&verdict);
    ok("G4 same bytes at other paths, hard link, links: runs; resolved path is reported");

    put_text("outside", GOOD, 0755);
    char target[LIMIT_PATH_SIZE];
    must(snprintf(target, sizeof(target), "%s/outside", scratch) > 0 && symlink(target, in("root/escape1")) == 0);
    must(symlink("../../outside", in("root/deep/escape2")) == 0 && symlink("../outside", in("root/escape3")) == 0);
    expect_error(gate, "/escape1", ENOENT);
    expect_error(gate, "/deep/escape2", ENOENT);
    expect_error(gate, "/escape3", ENOENT);
    expect_error(gate, "/../outside", ENOENT);
    expect_error(gate, "/bin/../../../outside", ENOENT);
    GateRequest nofollow = request_of("/deep/link");
    nofollow.is_nofollow = true;
    must(decide(gate, &nofollow) == 0 && verdict.kind == GATE_DENY && verdict.error == ELOOP);
    nofollow.path = "/deep/dir/good"; /* only the last component counts */
    must(decide(gate, &nofollow) == 0 && verdict.kind == GATE_ALLOW);
    gate_verdict_deinit(&verdict);
    ok("G5 links and .. out of the root stay inside; AT_SYMLINK_NOFOLLOW");
}

static void test_magic_links(void)
{
    const int proc = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const GateConfig config = {
        .root_fd = proc, .lower_fd = -1, .upper_fd = -1, .manifest = manifest, .minimum_fd = MINIMUM_FD};
    Gate *gate = NULL;
    must(proc >= 0 && gate_new(&config, &gate, NULL) == 0);
    _cleanup_(fd_closep) int good = open(in("root/bin/good"), O_RDONLY | O_CLOEXEC);
    char path[64];
    must(snprintf(path, sizeof(path), "/proc/self/fd/%d", good) > 0);
    if (access(path, F_OK) < 0) {
        skip("G5 magic links", "no /proc here");
    } else {
        expect_error(gate, path, EACCES);
        expect_error(gate, "/proc/self/exe", EACCES);
        expect_error(gate, "/proc/self/root/bin/sh", EACCES);
        expect_error(gate, "/proc/self/cwd", EACCES);
        ok("G5 magic links of procfs are never followed, even to listed bytes");
    }
    gate_free(gate);
    fd_close(proc);
}

static void test_descriptors(Gate *gate)
{
    GateRequest request = {.is_fd_exec = true, .path = "", .cwd = "/", .argv0 = "x"};
    _cleanup_(fd_closep) int memory = memfd_create("x", MFD_CLOEXEC);
    must(memory >= 0 && fd_write_full(memory, EVIL, strlen(EVIL)) == 0);
    request.dirfd = memory;
    must(decide(gate, &request) == 0 && verdict.kind == GATE_DENY && verdict.error == EACCES);
    must(pwrite(memory, GOOD, strlen(GOOD), 0) == (ssize_t)strlen(GOOD));
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW &&
         lseek(memory, 0, SEEK_CUR) == (off_t)strlen(EVIL));
    gate_verdict_deinit(&verdict);
    _cleanup_(fd_closep) int readable = open(in("root/bin/good"), O_RDONLY | O_CLOEXEC);
    _cleanup_(fd_closep) int path_only = open(in("root/bin/good"), O_PATH | O_CLOEXEC);
    _cleanup_(fd_closep) int temporary = open(in("root"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0755);
    must(fd_write_full(temporary, GOOD, strlen(GOOD)) == 0);
    const int good[] = {readable, path_only, temporary};
    for (size_t i = 0; i < 3; i++) {
        request.dirfd = good[i];
        must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW && strcmp(verdict.row.entry, "bin/good") == 0);
        gate_verdict_deinit(&verdict);
    }
    put_text("root/bin/gone", EVIL, 0755);
    _cleanup_(fd_closep) int deleted = open(in("root/bin/gone"), O_RDONLY | O_CLOEXEC);
    must(unlink(in("root/bin/gone")) == 0);
    _cleanup_(fd_closep) int directory = open(in("root"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int pipe_fds[2];
    must(pipe2(pipe_fds, O_CLOEXEC) == 0);
    const int bad[] = {deleted, directory, pipe_fds[0]};
    alarm(5);
    for (size_t i = 0; i < 3; i++) {
        request.dirfd = bad[i];
        must(decide(gate, &request) == 0 && verdict.kind == GATE_DENY && verdict.error == EACCES);
    }
    alarm(0);
    fd_close(pipe_fds[0]);
    fd_close(pipe_fds[1]);
    request.dirfd = 199;
    must(decide(gate, &request) == 0 && verdict.kind == GATE_DENY);
    request = (GateRequest){.dirfd = directory, .path = "bin/good", .cwd = "/", .argv0 = "x"};
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW);
    gate_verdict_deinit(&verdict);
    request.path = "../outside";
    must(decide(gate, &request) == 0 && verdict.kind == GATE_DENY && verdict.error == EACCES);
    ok("G11 memfd, O_PATH, O_TMPFILE, deleted, directory, pipe; relative to a directory descriptor");
}

/* --- scripts --- */

static void test_scripts(Gate *gate)
{
    const char *argv[GATE_ARGV_MAX];
    GateRequest request = request_of("/s/0");
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW && strcmp(verdict.row.entry, "bin/good") == 0);
    must(strcmp(verdict.script_path, "/s/0") == 0 && strcmp(verdict.interpreter_path, "/bin/good") == 0 &&
         verdict.interpreter_arg[0] == '\0');
    must(gate_argv(&verdict, argv) == 2 && strcmp(argv[0], "/bin/good") == 0 && strcmp(argv[1], "/s/0") == 0);
    must(verdict.step_count == 2 && verdict.steps[0].is_script && !verdict.steps[1].is_script);
    char bytes[64];
    size_t size = 0;
    put_text("root/s/0", "#!/bin/good\nscript two\n", 0755); /* G8: changed after the decision */
    must(fd_pread_full(verdict.script_fd, bytes, sizeof(bytes), 0, &size) == 0 && size == strlen(script_texts[0]) &&
         memcmp(bytes, script_texts[0], size) == 0);
    must(write(verdict.script_fd, "x", 1) < 0 && ftruncate(verdict.script_fd, 0) < 0);
    gate_verdict_deinit(&verdict);
    expect_error(gate, "/s/0", EACCES);
    put_text("root/s/0", script_texts[0], 0755);
    ok("G8 script: the interpreter gets the bytes that were hashed, sealed; an edited script is EACCES");

    request.path = "/s/1";
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW && strcmp(verdict.interpreter_arg, "-x  y") == 0);
    must(gate_argv(&verdict, argv) == 3 && strcmp(argv[1], "-x  y") == 0 && strcmp(argv[2], "/s/1") == 0);
    gate_verdict_deinit(&verdict);
    expect_entry(gate, "/s/2", "bin/good"); /* no newline */
    expect_error(gate, "/s/3", ENOENT);     /* interpreter does not exist */
    expect_error(gate, "/s/4", EACCES);     /* interpreter is not listed */
    must(verdict.step_count == 2 && !verdict.steps[1].has_digest);
    put_text("root/bin/new", "#!/bin/good\n", 0755);
    expect_error(gate, "/bin/new", EACCES);   /* script is not listed */
    expect_error(gate, "/s/11", EACCES);      /* "/bin/good\r" is another name */
    expect_entry(gate, "/s/12", "bin/other"); /* the argument is signed with the script */
    expect_error(gate, "/s/13", EACCES);      /* the manifest says another interpreter */
    must(strstr(verdict.reason, "another interpreter") != NULL);
    ok("G12, G13 interpreter missing, unlisted, other than signed; carriage return; no newline");

    request.path = "/s/6"; /* chain1 .. chain4 -> program: four scripts */
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW && verdict.step_count == 5 &&
         gate_argv(&verdict, argv) == 5);
    must(strcmp(argv[0], "/bin/good") == 0 && strcmp(argv[4], "/s/6") == 0 && strcmp(argv[1], "/s/chain4") == 0);
    must(strcmp(verdict.script_path, "/s/chain4") == 0);
    gate_verdict_deinit(&verdict);
    expect_error(gate, "/s/5", ELOOP);  /* five */
    expect_error(gate, "/s/10", ELOOP); /* itself */
    ok("G12, G13 chain of four runs, of five and of itself ELOOP");
}

static void test_check_file(Gate *gate)
{
    _cleanup_(fd_closep) int good = open(in("root/s/0"), O_RDONLY | O_CLOEXEC);
    _cleanup_(fd_closep) int bad = open(in("root/bin/evil"), O_RDONLY | O_CLOEXEC);
    _cleanup_(fd_closep) int fifo = open(in("root/fifo"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    must(gate_check_file(gate, good, "/s/0", 1) == 0 && gate_check_file(gate, bad, "/bin/evil", 1) == -EACCES);
    must(gate_check_file(gate, fifo, "/fifo", 1) == -EACCES);
    int copy = -1;
    must(gate_check_file_copy(gate, good, "/s/0", 1, &copy) == 0 && copy >= MINIMUM_FD);
    Digest digest, expected;
    digest_of(script_texts[0], &expected);
    must(sha256_fd(copy, &digest, NULL) == 0 && digest_equals(&digest, &expected) && write(copy, "x", 1) < 0);
    fd_close(copy);
    ok("G14 code taken from a file: listed or EACCES, and a sealed copy to read from");
}

static void test_applets(Gate *gate)
{
    static const struct {
        const char *applet;
        GateVerdictKind kind;
    } cases[] = {{"ls", GATE_ALLOW}, {"[", GATE_ALLOW}, {"-ls", GATE_ALLOW}, {NULL, GATE_ALLOW},
                 {"sh", GATE_DENY},  {"", GATE_DENY},   {"l", GATE_DENY}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        GateRequest request = request_of("/bin/multi");
        request.applet = cases[i].applet;
        must(decide(gate, &request) == 0 && verdict.kind == cases[i].kind);
        gate_verdict_deinit(&verdict);
    }
    GateRequest request = request_of("/bin/good");
    request.applet = "anything"; /* declares no applets */
    must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW);
    gate_verdict_deinit(&verdict);
    ok("G16 argv[0] selects declared applets only");
}

/* --- races --- */

static atomic_bool is_racing;

static void *exchange_names(void *unused)
{
    (void)unused;
    while (atomic_load(&is_racing)) {
        must(renameat2(AT_FDCWD, in("root/race/a"), AT_FDCWD, in("root/race/b"), RENAME_EXCHANGE) == 0);
    }
    return NULL;
}

static void *write_in_place(void *unused)
{
    (void)unused;
    const int fd = open(in("root/race/w"), O_RDWR | O_CLOEXEC);
    char *map = mmap(NULL, strlen(GOOD), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(fd >= 0 && map != MAP_FAILED);
    while (atomic_load(&is_racing)) {
        memcpy(map, EVIL, strlen(EVIL));       /* dirty mapped page: no change of mtime or ctime */
        for (int i = 0; i < 2000; i++) {       /* long enough to be seen */
            __asm__ volatile("" ::: "memory"); /* and the compiler keeps both stores */
        }
        memcpy(map, GOOD, strlen(GOOD));
        for (int i = 0; i < 2000; i++) {
            __asm__ volatile("" ::: "memory");
        }
    }
    must(munmap(map, strlen(GOOD)) == 0);
    fd_close(fd);
    return NULL;
}

static void *swap_links(void *unused)
{
    (void)unused;
    while (atomic_load(&is_racing)) {
        must(symlink("../bin/evil", in("root/race/l2")) == 0 && rename(in("root/race/l2"), in("root/race/l")) == 0);
        must(symlink("../bin/good", in("root/race/l2")) == 0 && rename(in("root/race/l2"), in("root/race/l")) == 0);
    }
    return NULL;
}

static void *swap_fifo(void *unused)
{
    (void)unused;
    while (atomic_load(&is_racing)) {
        must(renameat2(AT_FDCWD, in("root/race/f"), AT_FDCWD, in("root/race/p"), RENAME_EXCHANGE) == 0);
    }
    return NULL;
}

static void race(Gate *gate, const char *name, const char *path, void *(*attacker)(void *), int round_count)
{
    pthread_t thread;
    int allowed = 0;
    Digest good;
    digest_of(GOOD, &good);
    atomic_store(&is_racing, true);
    must(pthread_create(&thread, NULL, attacker, NULL) == 0);
    const GateRequest request = request_of(path);
    alarm(120);
    for (int i = 0; i < round_count; i++) {
        must(gate_decide(gate, &request, &verdict) == 0);
        if (verdict.kind == GATE_DENY) {
            must(verdict.error == EACCES);
            continue;
        }
        allowed++;
        Digest copy;
        must(sha256_fd(verdict.file_fd, &copy, NULL) == 0);
        must(digest_equals(&copy, &verdict.row.digest) && digest_equals(&copy, &verdict.steps[0].digest) &&
             digest_equals(&copy, &good));
        must(strcmp(verdict.row.entry, "bin/good") == 0);
        gate_verdict_deinit(&verdict);
    }
    alarm(0);
    atomic_store(&is_racing, false);
    must(pthread_join(thread, NULL) == 0);
    printf("# %s: %d of %d allowed, each with exactly the listed bytes\n", name, allowed, round_count);
    must(allowed > 0 && allowed < round_count); /* the race was real: both outcomes happened */
    ok(name);
}

static void test_races(Gate *gate)
{
    must(mkdir(in("root/race"), 0755) == 0);
    put_text("root/race/a", GOOD, 0755);
    put_text("root/race/b", EVIL, 0755);
    race(gate, "G7 RENAME_EXCHANGE of good and evil", "/race/a", exchange_names, 20000);
    put_text("root/race/w", GOOD, 0755);
    race(gate, "G8, G9 stores through a shared mapping", "/race/w", write_in_place, 20000);
    must(symlink("../bin/good", in("root/race/l")) == 0);
    race(gate, "G7 link swapped", "/race/l", swap_links, 20000);
    put_text("root/race/f", GOOD, 0755);
    must(mkfifo(in("root/race/p"), 0755) == 0);
    race(gate, "G3, G7 file and FIFO swapped: never blocks", "/race/f", swap_fifo, 20000);
}

static void test_stale(Gate *gate)
{
    put_text("root/bin/stale", GOOD, 0755);
    struct stat status;
    must(stat(in("root/bin/stale"), &status) == 0);
    expect_entry(gate, "/bin/stale", "bin/good");
    const int fd = open(in("root/bin/stale"), O_RDWR | O_CLOEXEC);
    must(fd >= 0 && pwrite(fd, EVIL, strlen(EVIL), 0) == (ssize_t)strlen(EVIL));
    const struct timespec times[2] = {status.st_atim, status.st_mtim};
    must(futimens(fd, times) == 0);
    fd_close(fd);
    expect_error(gate, "/bin/stale", EACCES); /* same inode, size and mtime */
    ok("G9 same inode, size and restored mtime with other bytes: EACCES");
}

/* --- exhaustion --- */

static void test_sizes(Gate *gate)
{
    const int fd = open(in("root/bin/huge"), O_RDWR | O_CREAT | O_CLOEXEC, 0755);
    must(fd >= 0);
    if (ftruncate(fd, 1ll << 40) < 0) {
        must(ftruncate(fd, 1ll << 33) == 0); /* file systems without 1 TiB files */
    }
    fd_close(fd);
    struct timespec start, end;
    must(clock_gettime(CLOCK_MONOTONIC, &start) == 0);
    for (int i = 0; i < 1000; i++) {
        expect_error(gate, "/bin/huge", EACCES);
    }
    must(clock_gettime(CLOCK_MONOTONIC, &end) == 0);
    must(end.tv_sec - start.tv_sec < 5 && !verdict.steps[0].has_digest && strstr(verdict.reason, "size") != NULL);
    must(unlink(in("root/bin/huge")) == 0);
    GateRequest request = request_of("/bin/unlisted");
    request.is_explaining = true;
    must(decide(gate, &request) == 0 && verdict.kind == GATE_DENY && verdict.steps[0].has_digest);
    ok("G19 1 TiB sparse file: refused by size, not read; explaining hashes small ones");
}

static void test_exhaustion(Gate *gate)
{
    struct rlimit old;
    must(getrlimit(RLIMIT_NOFILE, &old) == 0);
    int failures = 0;
    for (rlim_t limit = 3; limit < MINIMUM_FD + 12; limit++) { /* every number of descriptors from none to enough */
        const struct rlimit small = {.rlim_cur = limit, .rlim_max = old.rlim_max};
        must(setrlimit(RLIMIT_NOFILE, &small) == 0);
        static const char *const paths[] = {"/bin/good", "/s/1"};
        for (int i = 0; i < 2; i++) {
            const GateRequest request = request_of(paths[i]);
            const int r = gate_decide(gate, &request, &verdict);
            must((r == 0) == (verdict.kind == GATE_ALLOW) && (r == 0 || r == -EMFILE || r == -EINVAL));
            must(r == 0 || (verdict.error == -r && verdict.file_fd < 0 && verdict.script_fd < 0));
            failures += r < 0;
            gate_verdict_deinit(&verdict);
        }
        must(setrlimit(RLIMIT_NOFILE, &old) == 0);
    }
    must(failures > 0);
    expect_entry(gate, "/bin/good", "bin/good");
    ok("G21 no descriptors left, at every step: the error, never a start, nothing leaks");
}

/* --- policy --- */

static Policy *policy_of(bool is_monitor, const char *denied, const char *allowed, uint64_t minimum)
{
    Digest deny = {0}, allow = {0};
    if (denied != NULL) {
        digest_of(denied, &deny);
    }
    if (allowed != NULL) {
        digest_of(allowed, &allow);
    }
    const PolicyMinimum minimums[] = {{"test", minimum}, {"else", 99}};
    const PolicySpec spec = {.name = "p",
                             .serial = 77,
                             .is_monitor = is_monitor,
                             .deny = &deny,
                             .deny_count = denied != NULL,
                             .has_allow_list = allowed != NULL,
                             .allow = &allow,
                             .allow_count = allowed != NULL,
                             .minimums = minimums,
                             .minimum_count = 2};
    Buf text = BUF_INIT(1 << 16);
    Policy *policy = NULL;
    Error err = ERROR_INIT;
    must(policy_write(&spec, &text, &err) == 0 && policy_parse((char *)text.bytes, text.size, &policy, &err) == 0);
    buf_deinit(&text);
    return policy;
}

static void test_policy(void)
{
    static const struct {
        const char *denied, *allowed;
        uint64_t minimum;
        const char *reason;
    } cases[] = {{GOOD, NULL, 0, "denied by policy"},
                 {NULL, OTHER, 0, "not in the fleet allow-list"},
                 {NULL, NULL, 6, "manifest is older than the policy's minimum serial"},
                 {GOOD, GOOD, 0, "denied by policy"},
                 {OTHER, NULL, 5, NULL},
                 {NULL, GOOD, 0, NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int monitor = 0; monitor < 2; monitor++) {
            Policy *policy = policy_of(monitor == 1, cases[i].denied, cases[i].allowed, cases[i].minimum);
            Gate *gate = gate_with(policy, NULL);
            if (monitor == 1 || cases[i].reason == NULL) {
                const GateRequest request = request_of("/bin/good");
                must(decide(gate, &request) == 0 && verdict.kind == GATE_ALLOW);
                must((strncmp(verdict.reason, "monitor: ", 9) == 0) == (cases[i].reason != NULL));
                must(cases[i].reason == NULL || strcmp(verdict.reason + 9, cases[i].reason) == 0);
                gate_verdict_deinit(&verdict);
            } else {
                expect_error(gate, "/bin/good", EACCES);
                must(strcmp(verdict.reason, cases[i].reason) == 0);
                gate_set_policy(gate, NULL);
                expect_entry(gate, "/bin/good", "bin/good"); /* next decision, other policy: no verdict is remembered */
            }
            expect_error(gate, "/bin/evil", EACCES); /* not in the manifest: nothing to run in any mode */
            gate_free(gate);
            policy_free(policy);
        }
    }
    ok("G22 deny-list, fleet allow-list, minimum serial, monitor mode, effective at the next decision");
}

/* --- stored digests --- */

static int stored_calls;

static int stored_digest(void *context, const char *path, Digest *ret_digest, uint64_t *ret_size)
{
    (void)context;
    stored_calls++;
    if (strcmp(path, "/bin/good") == 0 || strcmp(path, "/dir/good") == 0) {
        digest_of(GOOD, ret_digest);
        *ret_size = strlen(GOOD);
        return 0;
    }
    if (strcmp(path, "/s/script") == 0) {
        digest_of(script_texts[0], ret_digest);
        *ret_size = strlen(script_texts[0]);
        return 0;
    }
    return -ENOENT;
}

typedef struct Overlay {
    Gate *gate;
    int root, lower, upper;
} Overlay;

static void expect_way(Gate *gate, const char *path, bool is_stored, const char *entry)
{
    const GateRequest request = request_of(path);
    must(gate_decide(gate, &request, &verdict) == 0);
    if (verdict.steps[0].is_stored != is_stored || (entry != NULL) != (verdict.kind == GATE_ALLOW)) {
        printf("# stored %d, want %d\n", verdict.steps[0].is_stored, is_stored);
        fail(path, entry != NULL ? entry : "EACCES");
    }
    gate_verdict_deinit(&verdict);
}

/* In a mount namespace of its own. */
static int overlay_rows(void)
{
    char options[3 * LIMIT_PATH_SIZE];
    must(mkdir(in("o"), 0755) == 0);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("tmpfs", in("o"), "tmpfs", 0, NULL) < 0) {
        return 77;
    }
    static const char *const directories[] = {"o/lower",     "o/upper",     "o/work",    "o/root",
                                              "o/lower/bin", "o/lower/dir", "o/lower/s", "o/lower/lib"};
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        must(mkdir(in(directories[i]), 0755) == 0);
    }
    put_text("o/lower/bin/good", GOOD, 0755);
    put_text("o/lower/dir/good", GOOD, 0755);
    put_text("o/lower/s/script", script_texts[0], 0755);
    must(symlink("bin/good", in("o/lower/link")) == 0);
    must(snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", in("o/lower"), in("o/upper"),
                  in("o/work")) > 0);
    if (mount("overlay", in("o/root"), "overlay", 0, options) < 0) {
        return 77;
    }
    const int root = open(in("o/root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int lower = open(in("o/lower"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int upper = open(in("o/upper"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const GateConfig config = {.root_fd = root,
                               .lower_fd = lower,
                               .upper_fd = upper,
                               .stored_digest = stored_digest,
                               .manifest = manifest,
                               .minimum_fd = MINIMUM_FD};
    Gate *gate = NULL;
    must(root >= 0 && lower >= 0 && upper >= 0 && gate_new(&config, &gate, NULL) == 0);
    expect_way(gate, "/bin/good", true, "bin/good");
    expect_way(gate, "/link", true, "bin/good");
    expect_way(gate, "/s/script", true, "bin/good");
    must(verdict.step_count == 2 && verdict.steps[1].is_stored);
    must(mkdir(in("o/root/bin/new"), 0755) == 0); /* /bin is in the upper layer now, /bin/good is not */
    expect_way(gate, "/bin/good", true, "bin/good");

    must(chmod(in("o/root/dir/good"), 0700) == 0); /* copied up, same bytes */
    expect_way(gate, "/dir/good", false, "bin/good");
    const int old = open(in("o/root/bin/good"), O_RDONLY | O_CLOEXEC); /* opened before the copy-up */
    const int writer = open(in("o/root/bin/good"), O_RDWR | O_CLOEXEC);
    must(old >= 0 && writer >= 0);
    expect_way(gate, "/bin/good", false, "bin/good");
    must(pwrite(writer, EVIL, strlen(EVIL), 0) == (ssize_t)strlen(EVIL));
    expect_way(gate, "/bin/good", false, NULL);
    GateRequest request = {.is_fd_exec = true, .dirfd = old, .path = "", .cwd = "/"};
    must(gate_decide(gate, &request, &verdict) == 0); /* whatever that descriptor shows, only listed bytes run */
    if (verdict.kind == GATE_ALLOW) {
        Digest digest;
        must(sha256_fd(verdict.file_fd, &digest, NULL) == 0 && digest_equals(&digest, &verdict.row.digest));
    }
    gate_verdict_deinit(&verdict);
    char *map = mmap(NULL, strlen(GOOD), PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
    must(map != MAP_FAILED);
    memcpy(map, GOOD, strlen(GOOD));
    expect_way(gate, "/bin/good", false, "bin/good");
    memcpy(map, EVIL, strlen(EVIL));
    expect_way(gate, "/bin/good", false, NULL);
    must(munmap(map, strlen(GOOD)) == 0);
    fd_close(old);
    fd_close(writer);

    must(unlink(in("o/root/dir/good")) == 0); /* whiteout */
    request = request_of("/dir/good");
    must(gate_decide(gate, &request, &verdict) == 0 && verdict.kind == GATE_DENY && verdict.error == ENOENT);
    put_text("o/root/dir/good", EVIL, 0755); /* recreated */
    expect_way(gate, "/dir/good", false, NULL);

    must(unlink(in("o/root/bin/good")) == 0 &&
         symlink("/dir/good", in("o/root/bin/good")) == 0); /* link in the upper layer */
    expect_way(gate, "/bin/good", false, NULL);
    must(unlink(in("o/root/bin/good")) == 0);
    put_text("o/root/bin/good", GOOD, 0755);
    must(rename(in("o/root/s/script"), in("o/root/s/script2")) == 0); /* copied up under another name */
    expect_way(gate, "/s/script2", false, "bin/good");
    /* A mount over a directory of the image: the path has a stored digest, the file is another one. */
    must(mkdir(in("o/volume"), 0755) == 0);
    put_text("o/volume/script", EVIL, 0755);
    must(mount(in("o/volume"), in("o/root/s"), NULL, MS_BIND, NULL) == 0);
    expect_way(gate, "/s/script", false, NULL);
    put_text("o/volume/script", GOOD, 0755);
    expect_way(gate, "/s/script", false, "bin/good");
    gate_free(gate);
    /* noexec: ignored unless asked for (the product mounts noexec itself). */
    must(mount(NULL, in("o/root"), NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL) == 0);
    must(umount2(in("o/root/s"), MNT_DETACH) == 0);
    for (int is_checked = 0; is_checked < 2; is_checked++) {
        GateConfig noexec = config;
        noexec.is_noexec_checked = is_checked == 1;
        must(gate_new(&noexec, &gate, NULL) == 0);
        expect_way(gate, "/s/script2", false, is_checked == 1 ? NULL : "bin/good");
        put_text("o/upper/plain", GOOD, 0644);
        expect_way(gate, "/plain", false, NULL); /* no x bit: refused on a noexec mount too */
        gate_free(gate);
    }
    return 0;
}

static void test_stored(void)
{
    static const char name[] = "G10 overlay: stored digest for untouched files only (copy-up, writer, mapping, "
                               "whiteout, link, rename, volume), noexec";
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) < 0) {
            _exit(77);
        }
        _exit(overlay_rows());
    }
    int status = 0;
    must(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip(name, "mounting an overlay is not allowed here (needs root)");
    } else {
        must(WEXITSTATUS(status) == 0);
        ok(name);
    }

    /* Read-only root: the root is the lower tree itself. */
    const int root = open(in("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const GateConfig config = {.root_fd = root,
                               .lower_fd = root,
                               .upper_fd = -1,
                               .stored_digest = stored_digest,
                               .manifest = manifest,
                               .minimum_fd = MINIMUM_FD};
    Gate *gate = NULL;
    must(root >= 0 && gate_new(&config, &gate, NULL) == 0);
    expect_way(gate, "/bin/good", true, "bin/good");
    expect_way(gate, "/deep/dir/good", true, "bin/good");
    expect_way(gate, "/bin/other", false, "bin/other");
    put_text("root/bin/x", GOOD "and more", 0755);
    expect_way(gate, "/bin/x", false, NULL);
    gate_free(gate);
    fd_close(root);
    ok("stored digest on a read-only root, through links, and not without one");
}

/* This process gets ENOSYS for the named calls from now on. */
static bool forbid(const int *numbers, size_t count)
{
    struct sock_filter code[16];
    size_t n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void test_old_kernel(void)
{
    const pid_t child = fork();
    if (child == 0) {
        static const int newer[] = {SYS_faccessat2, SYS_statx};
        if (!forbid(newer, 2)) {
            _exit(77);
        }
        Gate *gate = gate_with(NULL, NULL);
        expect_entry(gate, "/bin/good", "bin/good");
        expect_error(gate, "/bin/plain", EACCES); /* 0644: by mode bits */
        expect_error(gate, "/bin/evil", EACCES);
        const int root = open(in("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        const GateConfig config = {.root_fd = root,
                                   .lower_fd = root,
                                   .upper_fd = -1,
                                   .stored_digest = stored_digest,
                                   .manifest = manifest,
                                   .minimum_fd = MINIMUM_FD};
        must(gate_new(&config, &gate, NULL) == 0);
        expect_way(gate, "/bin/good", false, "bin/good"); /* no mount ids: no short way */
        static const int needed[] = {SYS_openat2};
        must(forbid(needed, 1));
        const GateRequest request = request_of("/bin/good");
        must(gate_decide(gate, &request, &verdict) == -ENOSYS && verdict.kind == GATE_DENY && verdict.error == ENOSYS);
        _exit(0);
    }
    int status = 0;
    must(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip("kernel without faccessat2, statx, openat2", "seccomp filters are not allowed here");
    } else {
        must(WEXITSTATUS(status) == 0);
        ok("kernel without faccessat2 and statx: same answers, slower; without openat2: denied");
    }
}

static void test_audit(void)
{
    Audit *audit = NULL;
    must(audit_open(in("audit"), MINIMUM_FD, &audit, NULL) == 0);
    Gate *gate = gate_with(NULL, audit);
    expect_entry(gate, "/bin/good", "bin/good");
    expect_entry(gate, "/s/1", "bin/good");
    expect_error(gate, "/bin/evil", EACCES);
    expect_error(gate, "/none", ENOENT);
    _cleanup_(fd_closep) int evil = open(in("root/bin/evil"), O_RDONLY | O_CLOEXEC);
    must(gate_check_file(gate, evil, "/bin/evil", 3) == -EACCES);
    gate_free(gate);
    audit_close(audit);
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    must(file_read(AT_FDCWD, in("audit"), 1 << 20, &bytes, &size, NULL) == 0);
    char hex[DIGEST_HEX_SIZE + 1];
    Digest digest;
    digest_of(EVIL, &digest);
    digest_hex(&digest, hex);
    char *rest = bytes;
    static const char *const wanted[5][3] = {
        {"\"verdict\":\"allow\"", "\"entry\":\"bin/good\"", "\"path\":\"/bin/good\""},
        {"\"verdict\":\"allow\"", "\"path\":\"/s/1\"", "\"key\":\"keyid\""},
        {"\"verdict\":\"deny\"", NULL, "\"entry\":null"},
        {"\"verdict\":\"deny\"", "\"path\":\"/none\"", "no such file"},
        {"\"verdict\":\"deny\"", NULL, "\"pid\":3"}};
    for (int i = 0; i < 5; i++) {
        const char *line = strsep(&rest, "\n");
        for (int k = 0; k < 3; k++) {
            must(strstr(line, wanted[i][k] != NULL ? wanted[i][k] : hex) != NULL);
        }
    }
    uint64_t count = 0;
    _cleanup_(fd_closep) int log = open(in("audit"), O_RDONLY | O_CLOEXEC);
    must(audit_verify(log, &count, NULL) == 0 && count == 5);
    ok("one audit record a decision, with the digest that was decided on");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(mkdtemp(scratch) != NULL && chmod(scratch, 0755) == 0);
    umask(022);
    make_manifest();
    make_root();
    Gate *gate = gate_with(NULL, NULL);
    test_bytes(gate);
    test_names(gate);
    test_kinds(gate);
    test_aliases(gate);
    test_magic_links();
    test_descriptors(gate);
    test_scripts(gate);
    test_check_file(gate);
    test_applets(gate);
    test_races(gate);
    test_stale(gate);
    test_sizes(gate);
    test_exhaustion(gate);
    test_policy();
    test_stored();
    test_old_kernel();
    test_audit();
    gate_free(gate);
    manifest_free(manifest);
    must(tree_remove(AT_FDCWD, scratch, NULL) == 0);
    printf("1..%d\n", test_count);
    return 0;
}
