/* SPDX-License-Identifier: Apache-2.0 */
/* linux.c - threads as Linux programs see them, through the calls of the WebAssembly Linux Interface. The argument names the case. */
#include "port.h"
#include "wali.h"

#define EACCES 13
#define EAGAIN 11
#define SIGUSR1 10
#define SIGUSR2 12
#define O_RDONLY 0

static const char *self_path = "/bin/linux-wali";
static uint32_t failures;

static void check(const char *what, bool is_good)
{
    if (!is_good) {
        put("FAILED: ");
        put(what);
        put("\n");
        failures++;
    }
}

static void pause_ms(int64_t ms)
{
    const int64_t time[2] = {ms / 1000, ms % 1000 * 1000000};
    (void)SYS_nanosleep(time, NULL);
}

static int64_t exec_self(const char *argument)
{
    const char *argv[] = {self_path, argument, NULL};
    const char *envp[] = {NULL};
    return SYS_execve(self_path, argv, envp);
}

static int wait_status(int64_t pid)
{
    int status = -1;
    while (SYS_wait4((int)pid, &status, 0, NULL) == -4) {
    }
    return (status & 0x7f) == 0 ? status >> 8 & 0xff : 1000 + (status & 0x7f);
}

/* --- threads that do not go away by themselves --- */

static uint32_t never;
static volatile uint64_t spins;
static int pipe_fds[2];

static void spinning_thread(void *unused)
{
    (void)unused;
    for (;;) {
        spins++;
    }
}

static void waiting_thread(void *unused)
{
    (void)unused;
    for (;;) {
        (void)__builtin_wasm_memory_atomic_wait32((int *)&never, 0, -1);
    }
}

static void futex_thread(void *unused)
{
    (void)unused;
    for (;;) {
        (void)futex_wait(&never, 0, -1);
    }
}

static void reading_thread(void *unused)
{
    char byte;
    (void)unused;
    for (;;) {
        (void)SYS_read(pipe_fds[0], &byte, 1);
    }
}

static void calling_thread(void *unused)
{
    (void)unused;
    for (;;) {
        (void)SYS_close((int)SYS_open("/bin/linux-wali", O_RDONLY, 0));
    }
}

static void exec_thread(void *argument)
{
    pause_ms(20);
    const int64_t r = exec_self(argument);
    check("execve", r >= 0);
    quit(90);
}

static void start_crowd(void)
{
    static void (*const crowd[])(void *) = {spinning_thread, waiting_thread, futex_thread, reading_thread, calling_thread, spinning_thread};
    (void)SYS_pipe2(pipe_fds, 0x80000 /* O_CLOEXEC */);
    for (uint32_t i = 0; i < sizeof crowd / sizeof crowd[0]; i++) {
        check("spawn", thread_spawn(crowd[i], NULL) != NULL);
    }
}

static int after_exec(void)
{
    check("exec: the thread is the leader", SYS_gettid() == SYS_getpid());
    check("exec: memory is fresh", never == 0 && spins == 0);
    uint64_t mask = 0;
    (void)SYS_rt_sigprocmask(0, NULL, &mask, 8);
    put_number("exec: mask", mask);
    start_crowd(); /* and again: threads of the new program */
    return failures == 0 ? 5 : 1;
}

static int exec_from_worker(void)
{
    const uint64_t usr2 = 1u << (SIGUSR2 - 1);
    start_crowd();
    (void)SYS_rt_sigprocmask(2, &usr2, NULL, 8);
    check("spawn", thread_spawn(exec_thread, "after-exec") != NULL);
    (void)futex_wait(&never, 0, -1);
    for (;;) {
        spins++;
    }
}

static int exec_from_leader(void)
{
    start_crowd();
    pause_ms(10);
    (void)exec_self("after-exec");
    return 91;
}

static int exec_after_leader_left(void)
{
    start_crowd();
    check("spawn", thread_spawn(exec_thread, "after-exec") != NULL);
    (void)SYS_exit(3);
    return 92;
}

static uint32_t denied_count;

static void denied_thread(void *unused)
{
    const char *argv[] = {"/etc/denied", NULL};
    const char *envp[] = {NULL};
    (void)unused;
    for (uint32_t i = 0; i < 50; i++) {
        if (SYS_execve("/etc/denied", argv, envp) == -EACCES) {
            add(&denied_count, 1);
        }
    }
}

static int exec_denied(void)
{
    Thread *threads[4];
    for (uint32_t i = 0; i < 4; i++) {
        threads[i] = thread_spawn(denied_thread, NULL);
    }
    for (uint32_t i = 0; i < 4; i++) {
        thread_join(threads[i]);
    }
    check("denied: all", denied_count == 200);
    return failures != 0;
}

static void both_exec_thread(void *unused)
{
    (void)unused;
    for (;;) {
        (void)exec_self("ok");
    }
}

static int exec_race(void) /* several at once: one wins, the others are gone */
{
    for (uint32_t i = 0; i < 4; i++) {
        (void)thread_spawn(both_exec_thread, NULL);
    }
    for (;;) {
        spins++;
    }
}

/* One thread changes the path while another execs it: never anything but an allowed program or a refusal. */
static char flipped[] = "/etc/denied\0....";

static void flip_thread(void *unused)
{
    static const char names[2][16] = {"/etc/denied", "/bin/linux-wali"};
    (void)unused;
    for (uint32_t i = 0;; i++) {
        for (uint32_t k = 0; k < 16; k++) {
            ((volatile char *)flipped)[k] = names[i % 2][k];
        }
    }
}

static int exec_flip(void)
{
    uint32_t allowed = 0, refused = 0;
    for (uint32_t i = 0; i < 100; i++) {
        const int64_t pid = SYS_fork();
        if (pid == 0) {
            const char *argv[] = {self_path, "ok", NULL};
            const char *envp[] = {NULL};
            (void)thread_spawn(flip_thread, NULL);
            const int64_t r = SYS_execve(flipped, argv, envp);
            quit(r == -EACCES || r == -2 || r == -20 ? 13 : 93);
        }
        const int status = wait_status(pid);
        allowed += status == 42;
        refused += status == 13;
    }
    check("flip: something else ran", allowed + refused == 100);
    return failures != 0;
}

/* --- exit of the leader --- */

static void late_thread(void *unused)
{
    (void)unused;
    pause_ms(30);
    put("late\n");
    (void)SYS_exit(9);
}

static int leader_exit(void)
{
    (void)thread_spawn(late_thread, NULL);
    (void)SYS_exit(3);
    return 94;
}

/* --- fork --- */

static uint32_t fork_counter;

static void counting_thread(void *unused)
{
    (void)unused;
    add(&fork_counter, 1);
}

static void forking_thread(void *unused)
{
    (void)unused;
    const int64_t parent = SYS_getpid();
    for (uint32_t i = 0; i < 10; i++) {
        const int64_t pid = SYS_fork();
        if (pid == 0) {
            check("fork: the child's thread is its leader", SYS_gettid() == SYS_getpid() && SYS_getpid() != parent);
            fork_counter = 0;
            Thread *thread = thread_spawn(counting_thread, NULL);
            check("fork: spawn in the child", thread != NULL);
            if (thread != NULL) {
                thread_join(thread);
            }
            void *const memory = (void *)(uintptr_t)SYS_mmap(NULL, 8192, 3, 0x22, -1, 0);
            check("fork: mmap in the child", (uintptr_t)memory < 0xfffff000u);
            if (i % 2 == 0) {
                (void)exec_self(failures == 0 && fork_counter == 1 ? "ok" : "bad");
            }
            (void)SYS_exit(failures == 0 && fork_counter == 1 ? 42 : 95);
        }
        check("fork", pid > 0 && wait_status(pid) == 42);
    }
}

static int fork_from_worker(void)
{
    start_crowd();
    Thread *threads[2] = {thread_spawn(forking_thread, NULL), thread_spawn(forking_thread, NULL)};
    thread_join(threads[0]);
    thread_join(threads[1]);
    check("fork: the parent's crowd goes on", spins != 0);
    return failures != 0 ? 1 : 6;
}

/* --- set_tid_address, robust lists, requeue --- */

static uint32_t tid_word;

static void tid_thread(void *unused)
{
    (void)unused;
    tid_word = (uint32_t)SYS_set_tid_address(&tid_word);
    pause_ms(10);
    (void)SYS_exit(0);
}

static int clear_tid(void)
{
    tid_word = 1;
    check("tid: spawn", thread_spawn(tid_thread, NULL) != NULL);
    for (uint32_t seen; (seen = load(&tid_word)) != 0;) {
        (void)SYS_futex(&tid_word, 0 /* FUTEX_WAIT, shared as the kernel's wake */, (int)seen, NULL, NULL, 0);
    }
    return failures != 0;
}

typedef struct RobustLock {
    uint32_t next;
    uint32_t word;
} RobustLock;
static struct {
    uint32_t next;
    int32_t offset;
    uint32_t pending;
} robust_head;
static RobustLock robust_locks[3];

static void robust_thread(void *unused)
{
    (void)unused;
    const uint32_t tid = (uint32_t)SYS_gettid();
    robust_head.offset = 4;
    robust_head.next = (uint32_t)(uintptr_t)&robust_locks[0];
    robust_locks[0] = (RobustLock){(uint32_t)(uintptr_t)&robust_locks[1], tid};
    robust_locks[1] = (RobustLock){(uint32_t)(uintptr_t)&robust_head, tid | 0x80000000u};
    robust_locks[2] = (RobustLock){0, tid};
    robust_head.pending = (uint32_t)(uintptr_t)&robust_locks[2];
    check("robust: set", SYS_set_robust_list(&robust_head, 12) == 0 && SYS_set_robust_list(&robust_head, 24) == -22);
    store(&tid_word, tid);
    (void)futex_wake(&tid_word, 1);
    pause_ms(20);
    (void)SYS_exit(0);
}

static int robust(void)
{
    (void)thread_spawn(robust_thread, NULL);
    while (load(&tid_word) == 0) {
        (void)futex_wait(&tid_word, 0, -1);
    }
    const uint32_t held = load(&tid_word) | 0x80000000u;
    while (load(&robust_locks[1].word) == held) {
        (void)SYS_futex(&robust_locks[1].word, 0, (int)held, NULL, NULL, 0);
    }
    pause_ms(5);
    check("robust: marked", load(&robust_locks[1].word) == 0xc0000000u);
    check("robust: all of the list and the pending one", load(&robust_locks[0].word) == 0x40000000u && load(&robust_locks[2].word) == 0x40000000u);
    return failures != 0;
}

static uint32_t word_a, word_b, requeued;

static void requeue_thread(void *unused)
{
    (void)unused;
    add(&requeued, 1);
    (void)SYS_futex(&word_a, 128, 0, NULL, NULL, 0);
    add(&requeued, 16);
}

static int requeue(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        (void)thread_spawn(requeue_thread, NULL);
    }
    while (load(&requeued) != 3) {
        yield();
    }
    pause_ms(30);
    check("requeue: other value", SYS_futex(&word_a, 128 + 4, 1, (void *)10, &word_b, 5) == -EAGAIN);
    check("requeue: one woken, two moved", SYS_futex(&word_a, 128 + 4, 1, (void *)10, &word_b, 0) == 3);
    pause_ms(10);
    check("requeue: one", load(&requeued) == 19);
    check("requeue: nobody is left there", futex_wake(&word_a, 10) == 0);
    check("requeue: two here", futex_wake(&word_b, 10) == 2);
    while (load(&requeued) != 51) {
        yield();
    }
    check("bitset: none fits", SYS_futex(&word_a, 128 + 10, 10, NULL, NULL, 1) == 0);
    check("futex: unaligned", SYS_futex((void *)((uintptr_t)&word_a + 1), 129, 1, NULL, NULL, 0) == -22);
    check("futex: outside", SYS_futex((void *)(uintptr_t)0xfffffff0u, 129, 1, NULL, NULL, 0) == -14);
    check("requeue: outside", SYS_futex(&word_a, 131, 1, (void *)1, (void *)(uintptr_t)0xfffffff0u, 0) == -14);
    return failures != 0;
}

/* --- signals --- */

static uint32_t handled_by, handled_count, ready, release;

static void handler(int number)
{
    (void)number;
    store(&handled_by, (uint32_t)SYS_gettid());
    add(&handled_count, 1);
}

static void install(int number)
{
    struct {
        uint32_t handler;
        uint64_t flags;
        uint32_t restorer;
        uint64_t mask;
    } __attribute__((packed)) action = {(uint32_t)(uintptr_t)handler, 0, 0, 0};
    check("sigaction", SYS_rt_sigaction(number, &action, NULL, 8) == 0);
}

static uint32_t results[2];

static void signal_thread(void *pointer)
{
    const uint64_t usr2 = 1u << (SIGUSR2 - 1);
    const uint32_t index = (uint32_t)(uintptr_t)pointer;
    if (index == 0) {
        (void)SYS_rt_sigprocmask(1, &usr2, NULL, 8); /* takes it: everybody else blocks it */
    }
    store(&results[index], (uint32_t)SYS_gettid());
    add(&ready, 1);
    while (load(&release) == 0) {
        (void)futex_wait(&release, 0, -1); /* EINTR */
    }
}

static void wait_atomic_thread(void *unused)
{
    (void)unused;
    store(&tid_word, (uint32_t)SYS_gettid());
    while (load(&release) == 0) {
        (void)__builtin_wasm_memory_atomic_wait32((int *)&release, 0, -1);
    }
}

static void handled_soon(const char *what, uint32_t count, uint32_t by)
{
    for (uint32_t i = 0; load(&handled_count) != count && i < 2000; i++) {
        pause_ms(1);
    }
    check(what, load(&handled_count) == count && load(&handled_by) == by);
}

static int signals(void)
{
    const uint64_t usr2 = 1u << (SIGUSR2 - 1);
    install(SIGUSR1);
    install(SIGUSR2);
    install(33); /* pthread_cancel of musl */
    (void)SYS_rt_sigprocmask(0, &usr2, NULL, 8);
    Thread *threads[2] = {thread_spawn(signal_thread, (void *)0), thread_spawn(signal_thread, (void *)1)};
    while (load(&ready) != 2) {
        yield();
    }
    pause_ms(10);
    const int pid = (int)SYS_getpid();
    check("tgkill", SYS_tgkill(pid, (int)load(&results[1]), SIGUSR1) == 0);
    handled_soon("a signal to one thread runs there", 1, load(&results[1]));
    check("kill", SYS_kill(pid, SIGUSR2) == 0);
    handled_soon("a signal to the process: who does not block it", 2, load(&results[0]));
    check("tkill", SYS_tkill((int)load(&results[0]), 33) == 0);
    handled_soon("33 is the guest's", 3, load(&results[0]));
    check("tkill: no such thread", SYS_tkill(4194303, SIGUSR1) == -3);
    check("32 does no harm", SYS_tkill((int)load(&results[0]), 32) == 0);
    Thread *atomic = thread_spawn(wait_atomic_thread, NULL);
    while (load(&tid_word) == 0) {
        yield();
    }
    pause_ms(10);
    check("tgkill", SYS_tgkill(pid, (int)load(&tid_word), SIGUSR1) == 0);
    handled_soon("memory.atomic.wait is interrupted", 4, load(&tid_word));
    store(&release, 1);
    (void)futex_wake(&release, 10);
    (void)__builtin_wasm_memory_atomic_notify((int *)&release, 10);
    thread_join(threads[0]);
    thread_join(threads[1]);
    thread_join(atomic);
    return failures != 0;
}

/* --- mmap, munmap and memory.grow of several threads at once --- */

static void map_thread(void *pointer)
{
    const uint32_t number = (uint32_t)(uintptr_t)pointer + 1;
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t *blocks[3];
        uint32_t sizes[3];
        for (uint32_t k = 0; k < 3; k++) {
            sizes[k] = 4096 * (1 + (i * 7 + k * 3 + number) % 40);
            if (k == 1 && i % 8 == 0) {
                const size_t old = __builtin_wasm_memory_grow(0, (sizes[k] + 65535) / 65536);
                blocks[k] = old == SIZE_MAX ? NULL : (uint32_t *)(old * 65536);
            } else {
                const int64_t r = SYS_mmap(NULL, sizes[k], 3, 0x22, -1, 0);
                blocks[k] = r < 0 ? NULL : (uint32_t *)(uintptr_t)r;
            }
            if (blocks[k] == NULL) {
                check("map: no memory", false);
                return;
            }
            for (uint32_t w = 0; w < sizes[k] / 4; w += 512) {
                if (blocks[k][w] != 0) {
                    check("map: not zero", false);
                }
                blocks[k][w] = number << 24 | i << 2 | k;
            }
        }
        for (uint32_t k = 0; k < 3; k++) {
            for (uint32_t w = 0; w < sizes[k] / 4; w += 512) {
                if (blocks[k][w] != (number << 24 | i << 2 | k)) {
                    check("map: a page of two owners", false);
                }
            }
            if (!(k == 1 && i % 8 == 0)) {
                check("munmap", SYS_munmap(blocks[k], sizes[k]) == 0);
            }
        }
    }
}

static int maps(void)
{
    Thread *threads[8];
    for (uintptr_t i = 0; i < 8; i++) {
        threads[i] = thread_spawn(map_thread, (void *)i);
    }
    for (uint32_t i = 0; i < 8; i++) {
        thread_join(threads[i]);
    }
    return failures != 0;
}

/* --- descriptors: some threads close and exchange every number while others make calls that use descriptors of the runtime's own for a moment --- */

static uint32_t chaos_over;

static void closing_thread(void *pointer)
{
    uint32_t random = (uint32_t)(uintptr_t)pointer * 2654435761u + 1;
    while (load(&chaos_over) == 0) {
        random = random * 1664525u + 1013904223u;
        const int fd = 3 + (int)(random >> 8) % 24;
        if (random >> 31 != 0) {
            (void)SYS_close(fd);
        } else {
            (void)SYS_dup2(1, fd);
        }
    }
}

static void using_thread(void *pointer)
{
    static const char *const paths[] = {"/bin/linux-wali", "/proc/self/status", "/dev/null", "bin/../etc/denied", "/etc/../bin", "/proc/self/exe"};
    const char *argv[] = {"/etc/denied", NULL};
    const char *envp[] = {NULL};
    char status[256];
    for (uint32_t i = (uint32_t)(uintptr_t)pointer; i < 1500; i++) {
        const int fd = (int)SYS_open(paths[i % 6], O_RDONLY, 0);
        (void)SYS_fchmod(fd, 0755);
        (void)SYS_stat(paths[(i + 1) % 6], status);
        (void)SYS_chdir(i % 2 == 0 ? "/" : "/bin");
        if (i % 16 == 0) {
            const int64_t r = SYS_execve("/etc/denied", argv, envp);
            check("chaos: execve", r < 0);
        }
        (void)SYS_close(fd);
    }
}

static int chaos(void)
{
    Thread *users[4], *closers[2];
    for (uintptr_t i = 0; i < 2; i++) {
        closers[i] = thread_spawn(closing_thread, (void *)(i + 1));
    }
    for (uintptr_t i = 0; i < 4; i++) {
        users[i] = thread_spawn(using_thread, (void *)i);
    }
    for (uint32_t i = 0; i < 4; i++) {
        thread_join(users[i]);
    }
    store(&chaos_over, 1);
    thread_join(closers[0]);
    thread_join(closers[1]);
    check("chaos: files can be opened", SYS_open("/bin/linux-wali", O_RDONLY, 0) >= 0);
    if (failures == 0) {
        (void)exec_self("ok"); /* the runtime's own descriptors are all there */
    }
    return 97;
}

/* --- limits --- */

static int limit(void)
{
    uint32_t count = 0;
    while (count < 5000 && thread_spawn(futex_thread, NULL) != NULL) {
        count++;
    }
    put_number("threads", count);
    return failures != 0;
}

int run(void)
{
    static const struct {
        const char *name;
        int (*function)(void);
    } cases[] = {
        {"exec-worker", exec_from_worker}, {"exec-leader", exec_from_leader}, {"exec-left", exec_after_leader_left}, {"exec-denied", exec_denied},
        {"exec-race", exec_race}, {"exec-flip", exec_flip}, {"after-exec", after_exec}, {"leader", leader_exit}, {"fork", fork_from_worker},
        {"clear-tid", clear_tid}, {"robust", robust}, {"requeue", requeue}, {"signals", signals}, {"maps", maps}, {"chaos", chaos},
        {"limit", limit},
    };
    if (same(argument(), "ok")) {
        return 42;
    }
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (same(argument(), cases[i].name)) {
            return cases[i].function();
        }
    }
    return 96;
}
