/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen-seccomp.c - src/sandbox/seccomp.tbl -> C arrays of BPF, by libseccomp, when the project is built.
 *
 * Building these filters with libseccomp when a guest starts would cost about a millisecond each time; loading an array costs
 * tens of microseconds. Output: seccomp_names[zygote][audit] and seccomp_arguments[network][memfd_seal][audit].
 */
#include <ctype.h>
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 1024
#define WORD_COUNT 128

typedef struct Variant {
    bool is_names; /* else the argument filter */
    bool has_network;
    bool has_memfd_seal;
    bool is_audit_only;
    bool is_zygote;
} Variant;

static const char *table_path;
static unsigned line_number;

static void fail(const char *what, const char *word)
{
    fprintf(stderr, "%s:%u: %s: %s\n", table_path, line_number, what, word);
    exit(1);
}

static void check(int r, const char *what)
{
    if (r < 0) {
        fail(what, strerror(-r));
    }
}

static uint64_t number(const char *word)
{
    char *end;
    const uint64_t value = strtoull(word, &end, 0);
    if (end == word || *end) {
        fail("not a number", word);
    }
    return value;
}

static bool errno_value(const char *word, int *ret_code)
{
    static const struct { const char *name; int code; } codes[] = {
        {"EACCES", EACCES}, {"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"EAFNOSUPPORT", EAFNOSUPPORT}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(word, codes[i].name) == 0) {
            *ret_code = codes[i].code;
            return true;
        }
    }
    return false;
}

/* NAME or NAME:NUMBER. false: this architecture does not have it. */
static bool call_number(const char *word, int *ret_number)
{
    char name[LINE_SIZE];
    snprintf(name, sizeof name, "%s", word);
    char *colon = strchr(name, ':');
    if (colon) {
        *colon = '\0';
    }
    const int found = seccomp_syscall_resolve_name(name);
    if (found == __NR_SCMP_ERROR && !colon) {
        fail("unknown system call", word);
    }
    if (found == __NR_SCMP_ERROR) {
        *ret_number = (int)number(colon + 1);
        return true;
    }
    *ret_number = found;
    return found >= 0; /* libseccomp gives calls of other architectures negative numbers */
}

static uint32_t refusal(const Variant *variant, int code)
{
    return variant->is_audit_only ? SCMP_ACT_LOG : SCMP_ACT_ERRNO((unsigned)code);
}

static bool condition_holds(const Variant *variant, const char *word)
{
    if (strcmp(word, "network") == 0) {
        return variant->has_network;
    }
    if (strcmp(word, "no-network") == 0) {
        return !variant->has_network;
    }
    if (strcmp(word, "memfd-seal") == 0) {
        return variant->has_memfd_seal;
    }
    if (strcmp(word, "zygote") == 0 || strcmp(word, "no-zygote") == 0) {
        return variant->is_zygote == (word[0] == 'z');
    }
    fail("unknown condition", word);
    return false;
}

static void add(scmp_filter_ctx filter, uint32_t action, int call, struct scmp_arg_cmp comparison)
{
    check(seccomp_rule_add_array(filter, action, call, 1, &comparison), "seccomp_rule_add");
}

/* refuse ERRNO NAME ARGUMENT = VALUE and OTHER != VALUE [if CONDITION] */
static void refuse_both(scmp_filter_ctx filter, const Variant *variant, char **words, size_t count)
{
    int code, call;
    if ((count != 10 && count != 12) || !errno_value(words[1], &code) || strcmp(words[4], "=") != 0 || strcmp(words[8], "!=") != 0 ||
        (count == 12 && strcmp(words[10], "if") != 0)) {
        fail("malformed row", words[0]);
    }
    if (variant->is_names || !call_number(words[2], &call) || (count == 12 && !condition_holds(variant, words[11]))) {
        return;
    }
    const struct scmp_arg_cmp both[2] = {SCMP_CMP64((unsigned)number(words[3]), SCMP_CMP_MASKED_EQ, UINT32_MAX, number(words[5])),
                                         SCMP_CMP64((unsigned)number(words[7]), SCMP_CMP_NE, number(words[9]))};
    check(seccomp_rule_add_array(filter, refusal(variant, code), call, 2, both), "seccomp_rule_add");
}

/* refuse ERRNO NAME ARGUMENT OP VALUE [if CONDITION] */
static void refuse(scmp_filter_ctx filter, const Variant *variant, char **words, size_t count)
{
    int code, call;
    if (count > 6 && strcmp(words[6], "and") == 0) {
        refuse_both(filter, variant, words, count);
        return;
    }
    if ((count != 6 && count != 8) || !errno_value(words[1], &code) || (count == 8 && strcmp(words[6], "if") != 0)) {
        fail("malformed row", words[0]);
    }
    if (variant->is_names || !call_number(words[2], &call) || (count == 8 && !condition_holds(variant, words[7]))) {
        return;
    }
    const unsigned argument = (unsigned)number(words[3]);
    const char *operation = words[4];
    const uint64_t value = number(words[5]);
    const uint32_t action = refusal(variant, code);
    if (strcmp(operation, "=") == 0) {
        /* 32 bits: the kernel ignores the upper half of an int argument, so must the filter. */
        add(filter, action, call, SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value));
    } else if (strcmp(operation, "!=") == 0) {
        add(filter, action, call, SCMP_CMP64(argument, SCMP_CMP_NE, value));
    } else if (strcmp(operation, ">") == 0) {
        add(filter, action, call, SCMP_CMP64(argument, SCMP_CMP_GT, value));
    } else if (strcmp(operation, "lacks") == 0) {
        add(filter, action, call, SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, value, 0));
    } else if (strcmp(operation, "has") == 0) {
        for (unsigned bit = 0; bit < 64; bit++) {
            const uint64_t mask = value & (1ull << bit);
            if (mask) {
                add(filter, action, call, SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, mask));
            }
        }
    } else {
        fail("unknown operator", operation);
    }
}

static void add_names(scmp_filter_ctx filter, const Variant *variant, char **words, size_t count)
{
    int call, code = 0;
    const bool is_only = strcmp(words[0], "only") == 0;
    if (!is_only && strcmp(words[0], "allow") != 0 && !errno_value(words[0], &code)) {
        fail("unknown row", words[0]);
    }
    if (!variant->is_names) {
        return;
    }
    if (is_only) {
        if (count < 4) {
            fail("malformed row", words[0]);
        }
        for (size_t i = 3; call_number(words[1], &call) && i < count; i++) {
            add(filter, SCMP_ACT_ALLOW, call,
                SCMP_CMP64((unsigned)number(words[2]), SCMP_CMP_MASKED_EQ, UINT32_MAX, number(words[i])));
        }
        return;
    }
    if (count > 3 && strcmp(words[count - 2], "if") == 0) {
        if (!condition_holds(variant, words[count - 1])) {
            return;
        }
        count -= 2;
    }
    for (size_t i = 1; i < count; i++) {
        if (call_number(words[i], &call)) {
            const uint32_t action = code ? refusal(variant, code) : SCMP_ACT_ALLOW;
            const int r = seccomp_rule_add(filter, action, call, 0);
            /* -EACCES: the action is the default already. */
            check(r == -EACCES ? 0 : r, words[i]);
        }
    }
}

static void read_table(scmp_filter_ctx filter, const Variant *variant)
{
    char line[LINE_SIZE];
    FILE *table = fopen(table_path, "re");
    if (!table) {
        fail("cannot open", strerror(errno));
    }
    for (line_number = 1; fgets(line, sizeof line, table); line_number++) {
        char *words[WORD_COUNT], *rest = NULL;
        size_t count = 0;
        line[strcspn(line, "#\n")] = '\0';
        for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
            if (count == WORD_COUNT) {
                fail("too many words", word);
            }
            words[count++] = word;
        }
        if (count == 0) {
            continue;
        }
        if (strcmp(words[0], "refuse") == 0) {
            refuse(filter, variant, words, count);
        } else {
            add_names(filter, variant, words, count);
        }
    }
    fclose(table);
}

static void print_filter(const Variant *variant, const char *name)
{
    const uint32_t fallback = variant->is_names ? refusal(variant, ENOSYS) : SCMP_ACT_ALLOW;
    scmp_filter_ctx filter = seccomp_init(fallback);
    if (!filter) {
        fail("seccomp_init", "failed");
    }
    check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "SCMP_FLTATR_ACT_BADARCH");
    if (variant->is_names) {
        check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "SCMP_FLTATR_CTL_OPTIMIZE"); /* binary tree */
    }
    read_table(filter, variant);

    FILE *program = tmpfile();
    uint8_t instruction[8];
    if (!program) {
        fail("tmpfile", strerror(errno));
    }
    check(seccomp_export_bpf(filter, fileno(program)), "seccomp_export_bpf");
    rewind(program);
    printf("static const struct sock_filter %s[] = {\n", name);
    while (fread(instruction, sizeof instruction, 1, program) == 1) {
        uint16_t code;
        uint32_t k;
        memcpy(&code, instruction, 2);
        memcpy(&k, instruction + 4, 4);
        printf("    {0x%02x, %u, %u, 0x%08x},\n", code, instruction[2], instruction[3], k);
    }
    printf("};\n");
    fclose(program);
    seccomp_release(filter);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: gen-seccomp TABLE\n");
        return 2;
    }
    table_path = argv[1];
    printf("/* Made by tools/gen-seccomp.c from %s. */\n#include <linux/filter.h>\n", table_path);
    for (unsigned i = 0; i < 12; i++) {
        const Variant variant = {.is_names = i >= 8, .has_network = i & 1, .has_memfd_seal = i & 2,
                                 .is_audit_only = i >= 8 ? i & 1 : i & 4, .is_zygote = i >= 10};
        char name[64];
        if (variant.is_names) {
            snprintf(name, sizeof name, "seccomp_names_%u_%u", variant.is_zygote, variant.is_audit_only);
        } else {
            snprintf(name, sizeof name, "seccomp_arguments_%u_%u_%u", variant.has_network, variant.has_memfd_seal,
                     variant.is_audit_only);
        }
        print_filter(&variant, name);
    }
    printf("#define SECCOMP_PROGRAM(array) {sizeof(array) / sizeof(array)[0], (struct sock_filter *)(uintptr_t)(array)}\n");
    printf("static const struct sock_fprog seccomp_names[2][2] = {{SECCOMP_PROGRAM(seccomp_names_0_0), SECCOMP_PROGRAM(seccomp_names_0_1)},\n"
           "    {SECCOMP_PROGRAM(seccomp_names_1_0), SECCOMP_PROGRAM(seccomp_names_1_1)}};\n");
    printf("static const struct sock_fprog seccomp_arguments[2][2][2] = {\n");
    for (unsigned i = 0; i < 4; i++) {
        const unsigned network = i >> 1, seal = i & 1;
        printf("%s{SECCOMP_PROGRAM(seccomp_arguments_%u_%u_0), SECCOMP_PROGRAM(seccomp_arguments_%u_%u_1)}%s\n", seal ? "     " : "    {",
               network, seal, network, seal, seal ? "}," : ",");
    }
    printf("};\n");
    return fflush(stdout) ? 1 : 0;
}
