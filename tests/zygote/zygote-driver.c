/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-driver.c - src/zygote by hand: for tests/zygote/run and bench/start. The agent's server uses the same calls.
 *
 *   zygote-driver [-e NAME=VALUE]... [-l] [-p PROCESSES] IMAGE      commands on standard input, one a line, words separated by tabs:
 *
 *   warm MINIMUM MAXIMUM [cwd=DIR] PROGRAM [ARGS...]      (a snapshot's pool; answers its digest)
 *   pool PROGRAM MINIMUM MAXIMUM        refill COUNT         policy FILE|-          stats          pause MS
 *   spawn [cwd=DIR] [timeout=MS] [pages=N] [memory=BYTES] [pids=N] [cgroup=NAME] [in=FILE] [out=FILE] PROGRAM [ARGS...]
 *   kill ID SIGNAL       ends COUNT MS (wait for that many ends, at most that long)       signal zygote|keeper|parked NUMBER
 *   measure COUNT hit|miss [in=FILE] PROGRAM [ARGS...]     samples in microseconds: start (spawn to the last step before the first guest instruction), byte, end
 *   density COUNT PROGRAM        as many parked children; what they cost, in KiB each
 *
 * Answers are lines, too. It ends with its input.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "cmd/cmd.h"
#include "cmd/run-int.h"
#include "zygote/zygote-caller.h"

#define WORDS 256

static Zygote *zygote;
static Loaded loaded;
static RunPlan plan;
static RunOptions options;
static int null_fd;
static SandboxCgroup *cgroup;
static Policy *policy;

static void die(const char *what, const Error *err)
{
    printf("fatal\t%s: %s\n", what, err != NULL ? err->message : strerror(errno));
    exit(1);
}

static uint64_t number(const char *word)
{
    char *end;
    const uint64_t value = strtoull(word, &end, 0);
    if (end == word || *end != '\0') {
        die(word, NULL);
    }
    return value;
}

/* --- spawn --- */

static bool option_is(const char *word, const char *name, const char **ret_value)
{
    const size_t size = strlen(name);
    *ret_value = word + size + 1;
    return strncmp(word, name, size) == 0 && word[size] == '=';
}

static int open_or_die(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        die(path, NULL);
    }
    return fd;
}

static void cgroup_make(const char *name, const SandboxLimits *limits)
{
    Error err = ERROR_INIT;
    const char *note = NULL;
    if (cgroup == NULL && sandbox_cgroup_new(name, limits, &cgroup, &note, &err) < 0) {
        die("cgroup", &err);
    }
    printf("cgroup\t%s\n", cgroup == NULL ? note : "made");
}

/* Takes NAME=VALUE words in front. Return: index of the program. */
static int request_options(char **words, int count, ZygoteRequest *request)
{
    int i = 1;
    const char *value;
    const char *cgroup_name = NULL;
    for (; i < count && strchr(words[i], '=') != NULL; i++) {
        if (option_is(words[i], "cwd", &value)) {
            request->cwd = value;
        } else if (option_is(words[i], "timeout", &value)) {
            request->timeout_ms = number(value);
        } else if (option_is(words[i], "pages", &value)) {
            request->page_limit = (uint32_t)number(value);
        } else if (option_is(words[i], "memory", &value)) {
            request->limits.memory_size = number(value);
        } else if (option_is(words[i], "pids", &value)) {
            request->limits.pids_count = number(value);
        } else if (option_is(words[i], "cgroup", &value)) {
            cgroup_name = value;
        } else if (option_is(words[i], "in", &value)) {
            request->stdio[0] = open_or_die(value, O_RDONLY);
        } else if (option_is(words[i], "out", &value)) {
            request->stdio[1] = request->stdio[2] = open_or_die(value, O_WRONLY | O_CREAT | O_APPEND);
        } else {
            die(words[i], NULL);
        }
    }
    if (cgroup_name != NULL) {
        cgroup_make(cgroup_name, &request->limits);
        request->cgroup = cgroup;
    }
    return i;
}

static ZygoteRequest request_make(char **words, int count, int first)
{
    return (ZygoteRequest){.program = words[first], .argv = (const char *const *)(words + first), .argc = (size_t)(count - first),
                           .envp = plan.container.envp, .envc = plan.container.envc, .stdio = {null_fd, null_fd, null_fd}};
}

static void spawn(char **words, int count)
{
    ZygoteRequest request = request_make(words, count, 0);
    const int first = request_options(words, count, &request);
    request.program = words[first];
    request.argv = (const char *const *)(words + first);
    request.argc = (size_t)(count - first);
    ZygoteInstance instance;
    Error err = ERROR_INIT;
    const int r = zygote_spawn(zygote, &request, &instance, &err);
    if (r < 0) {
        printf("refused\t%s\t%s\n", error_name(-r), err.message);
    } else {
        printf("spawned\t%" PRIu64 "\t%d\t%s\n", instance.id, instance.pid, instance.was_parked ? "hit" : "miss");
    }
    for (int i = 0; i < 2; i++) {
        if (request.stdio[i] != null_fd) {
            (void)close(request.stdio[i]);
        }
    }
}

static void warm(char **words, int count)
{
    ZygoteRequest request = request_make(words, count, 3);
    const int first = 2 + request_options(words + 2, count - 2, &request);
    request.program = words[first];
    request.argv = (const char *const *)(words + first);
    request.argc = (size_t)(count - first);
    Digest digest;
    char hex[DIGEST_HEX_SIZE + 1] = "";
    Error err = ERROR_INIT;
    const int r = zygote_pool_warm(zygote, &request, (uint32_t)number(words[1]), (uint32_t)number(words[2]), &digest, &err);
    if (r == 0) {
        digest_hex(&digest, hex);
    }
    printf("warm\t%s\t%s\n", r < 0 ? error_name(-r) : "ok", r < 0 ? err.message : hex);
}

static const char *kind_name(ZygoteEndKind kind)
{
    static const char *const names[] = {"exited", "signaled", "timed-out", "not-started", "lost"};
    return names[kind];
}

static void ends(uint64_t count, uint64_t within_ms)
{
    const uint64_t until = zygote_now_ms() + within_ms;
    for (uint64_t i = 0; i < count;) {
        ZygoteEnd end;
        Error err = ERROR_INIT;
        const uint64_t now = zygote_now_ms();
        const int r = zygote_next_end(zygote, now < until ? (int)(until - now) : 0, &end, &err);
        if (r < 0) {
            die("next end", &err);
        }
        if (r == 0) {
            break;
        }
        printf("end\t%" PRIu64 "\t%s\t%d\t%d\t%s\n", end.id, kind_name(end.kind), end.status, end.start_ns != 0, end.error.message);
        i++;
    }
    printf("ends done\n");
}

/* --- measuring --- */

static void fill(void)
{
    Error err = ERROR_INIT;
    int left;
    while ((left = zygote_refill(zygote, 64, &err)) > 0) {
    }
    if (left < 0) {
        die("refill", &err);
    }
}

static void samples_print(const char *what, const double *samples, uint64_t count)
{
    printf("samples\t%s", what);
    for (uint64_t i = 0; i < count; i++) {
        printf("\t%.1f", samples[i]);
    }
    printf("\n");
}

static void measure(char **words, int count)
{
    const uint64_t turns = number(words[1]);
    const bool is_hit = strcmp(words[2], "hit") == 0;
    double *start = calloc(turns, sizeof(double)), *byte = calloc(turns, sizeof(double)), *end = calloc(turns, sizeof(double));
    must(start != NULL && byte != NULL && end != NULL);
    for (uint64_t i = 0; i < turns; i++) {
        int pipe_fds[2];
        char first;
        Error err = ERROR_INIT;
        ZygoteInstance instance;
        ZygoteEnd ended;
        must(pipe2(pipe_fds, O_CLOEXEC) == 0);
        if (is_hit) {
            fill();
        }
        (void)usleep(500); /* a fresh child gets as far as to its message; the pool is refilled when there is nothing else to do */
        const char *input = NULL;
        const bool has_input = option_is(words[3], "in", &input);
        const int first_word = has_input ? 4 : 3;
        ZygoteRequest request = request_make(words, count, first_word);
        request.stdio[0] = has_input ? open_or_die(input, O_RDONLY) : null_fd;
        request.stdio[1] = pipe_fds[1];
        const uint64_t before = zygote_now_ns();
        const int r = zygote_spawn(zygote, &request, &instance, &err);
        (void)close(pipe_fds[1]);
        (void)(has_input ? close(request.stdio[0]) : 0);
        if (r < 0 || instance.was_parked != is_hit) {
            die(r < 0 ? "spawn" : "pool", &err);
        }
        byte[i] = read(pipe_fds[0], &first, 1) == 1 ? (double)(zygote_now_ns() - before) / 1e3 : 0;
        (void)close(pipe_fds[0]);
        if (zygote_next_end(zygote, 10000, &ended, &err) != 1 || ended.kind != ZYGOTE_EXITED) {
            die("end", &ended.error);
        }
        end[i] = (double)(zygote_now_ns() - before) / 1e3;
        start[i] = (double)(ended.start_ns - before) / 1e3;
    }
    samples_print("start", start, turns);
    samples_print("byte", byte, turns);
    samples_print("end", end, turns);
    free(start);
    free(byte);
    free(end);
}

static uint64_t meminfo(const char *name)
{
    char line[256];
    uint64_t value = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            value = strtoull(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return value;
}

static uint64_t rollup(pid_t pid, const char *name)
{
    char path[64], line[256];
    uint64_t value = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            value = strtoull(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return value;
}

/* Memory of the machine that is gone while they are there: user and kernel together; and what each says of itself. */
static void density(uint64_t count, const char *program)
{
    static const char *const kernel[] = {"AnonPages", "PageTables", "KernelStack", "Slab", "Percpu"};
    uint64_t before[5], after[5], free_before = meminfo("MemAvailable");
    Error err = ERROR_INIT;
    for (size_t i = 0; i < 5; i++) {
        before[i] = meminfo(kernel[i]);
    }
    const uint64_t start = zygote_now_ns();
    if (zygote_pool(zygote, program, (uint32_t)count, (uint32_t)count, &err) < 0) {
        die("pool", &err);
    }
    fill();
    const double took_ms = (double)(zygote_now_ns() - start) / 1e6;
    (void)usleep(500000);
    ZygoteStats stats;
    zygote_stats(zygote, &stats);
    for (size_t i = 0; i < 5; i++) {
        after[i] = meminfo(kernel[i]);
    }
    const uint64_t free_after = meminfo("MemAvailable");
    uint64_t private_sum = 0, pss_sum = 0, asked = 0;
    for (uint32_t i = 0; i < zygote->options.process_max && asked < 200; i += 1 + (uint32_t)count / 200) {
        if (zygote->children[i].state == CHILD_PARKED) {
            private_sum += rollup(zygote->children[i].pid, "Private_Dirty") + rollup(zygote->children[i].pid, "Private_Clean");
            pss_sum += rollup(zygote->children[i].pid, "Pss");
            asked++;
        }
    }
    printf("density\tparked=%u\tms=%.0f", stats.parked_count, took_ms);
    const double each = stats.parked_count > 0 ? (double)stats.parked_count : 1;
    printf("\tprivate=%.1f\tpss=%.1f", asked > 0 ? (double)private_sum / (double)asked : 0, asked > 0 ? (double)pss_sum / (double)asked : 0);
    for (size_t i = 0; i < 5; i++) {
        printf("\t%s=%.1f", kernel[i], ((double)after[i] - (double)before[i]) / each);
    }
    printf("\tavailable=%.1f\n", ((double)free_before - (double)free_after) / each);
}

/* --- commands --- */

static pid_t parked_pid(void)
{
    for (uint32_t i = 0; i < zygote->options.process_max; i++) {
        if (zygote->children[i].state == CHILD_PARKED) {
            return zygote->children[i].pid;
        }
    }
    return 0;
}

static void policy_set(const char *path)
{
    Error err = ERROR_INIT;
    Policy *fresh = NULL;
    char *bytes = NULL;
    size_t size = 0;
    if (strcmp(path, "-") != 0) {
        FILE *file = fopen(path, "re");
        bytes = calloc(1, 1 << 20);
        must(file != NULL && bytes != NULL);
        size = fread(bytes, 1, 1 << 20, file);
        (void)fclose(file);
        if (policy_parse(bytes, size, &fresh, &err) < 0) {
            die("policy", &err);
        }
    }
    free(bytes);
    if (zygote_set_policy(zygote, fresh, &err) < 0) {
        die("policy", &err);
    }
    policy = fresh; /* older ones live as long as instances may hold them: to the end */
    printf("policy\t%" PRIu64 "\n", policy_generation(policy));
}

static void command(char **words, int count)
{
    Error err = ERROR_INIT;
    if (strcmp(words[0], "pool") == 0 && count == 4) {
        const int r = zygote_pool(zygote, words[1], (uint32_t)number(words[2]), (uint32_t)number(words[3]), &err);
        printf("pool\t%s\t%s\n", r < 0 ? error_name(-r) : "ok", r < 0 ? err.message : "");
    } else if (strcmp(words[0], "refill") == 0 && count == 2) {
        const int r = zygote_refill(zygote, (uint32_t)number(words[1]), &err);
        printf("refill\t%d\t%s\n", r, r < 0 ? err.message : "");
    } else if (strcmp(words[0], "spawn") == 0 && count > 1) {
        spawn(words, count);
    } else if (strcmp(words[0], "ends") == 0 && count == 3) {
        ends(number(words[1]), number(words[2]));
    } else if (strcmp(words[0], "kill") == 0 && count == 3) {
        printf("kill\t%d\n", zygote_kill(zygote, number(words[1]), (int)number(words[2])));
    } else if (strcmp(words[0], "warm") == 0 && count > 3) {
        warm(words, count);
    } else if (strcmp(words[0], "measure") == 0 && count > 3) {
        measure(words, count);
    } else if (strcmp(words[0], "density") == 0 && count == 3) {
        density(number(words[1]), words[2]);
    } else if (strcmp(words[0], "policy") == 0 && count == 2) {
        policy_set(words[1]);
    } else if (strcmp(words[0], "pause") == 0 && count == 2) {
        (void)usleep((useconds_t)number(words[1]) * 1000);
        printf("paused\n");
    } else if (strcmp(words[0], "signal") == 0 && count == 3) {
        ZygoteStats stats;
        zygote_stats(zygote, &stats);
        const pid_t pid = strcmp(words[1], "zygote") == 0 ? stats.zygote_pid : strcmp(words[1], "keeper") == 0 ? stats.keeper_pid : parked_pid();
        printf("signal\t%d\n", pid > 0 ? kill(pid, (int)number(words[2])) : -1);
    } else if (strcmp(words[0], "stats") == 0) {
        ZygoteStats stats;
        zygote_stats(zygote, &stats);
        printf("stats\tparked=%u\trunning=%u\ttemplates=%u\thits=%" PRIu64 "\tmisses=%" PRIu64 "\tparked_lost=%" PRIu64 "\tzygote_lost=%" PRIu64 "\tzygote=%d\tkeeper=%d\n",
               stats.parked_count, stats.running_count, stats.template_count, stats.hit_count, stats.miss_count, stats.parked_lost_count,
               stats.zygote_lost_count, stats.zygote_pid, stats.keeper_pid);
    } else {
        die(words[0], NULL);
    }
    (void)fflush(stdout);
}

static void commands_read(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        char *words[WORDS];
        int count = 0;
        line[size - 1] = '\0';
        char *rest = line;
        for (char *word; count < WORDS && (word = strsep(&rest, "\t")) != NULL;) {
            words[count++] = word;
        }
        if (count < WORDS) {
            words[count] = NULL;
            command(words, count);
        }
    }
    free(line);
}

int main(int argc, char **argv)
{
    Error err = ERROR_INIT;
    ZygoteOptions zygote_options = {0};
    int option;
    options = (RunOptions){.name = "zygote-driver"};
    while ((option = getopt(argc, argv, "e:lp:m:")) != -1) {
        switch (option) {
        case 'e': options.env[options.env_count++] = optarg; break;
        case 'l': zygote_options.is_lean = true; break;
        case 'p': zygote_options.process_max = (uint32_t)number(optarg); break;
        case 'm': options.limits.memory_size = number(optarg); break;
        default: return 2;
        }
    }
    const char *const command_line[] = {"/"};
    options.image = argv[optind];
    options.argv = command_line;
    options.argc = 1;
    LoadConfig config = LOAD_CONFIG_INIT;
    config.is_object_wanted = true;
    null_fd = open_or_die("/dev/null", O_RDWR);
    zygote_options.memory_max = 8ull << 30;
    if (cmd_options_load(&err) < 0 || load_image(options.image, &config, &loaded, &err) < 0 || run_plan(&options, &loaded, &plan, &err) < 0) {
        die("image", &err);
    }
    plan.container.object_fd = loaded.object_fd;
    if (zygote_start(&plan.container, &zygote_options, &zygote, &err) < 0) {
        die("start", &err);
    }
    printf("ready\n");
    (void)fflush(stdout);
    commands_read();
    zygote = zygote_stop(zygote);
    (void)sandbox_cgroup_free(cgroup);
    run_plan_deinit(&plan);
    load_deinit(&loaded);
    return 0;
}
