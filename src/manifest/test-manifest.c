/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.json -> index -> manifest.json: what is accepted, what is refused and why, and that a damaged index never
 * loads. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/json-strict.h"
#include "manifest/manifest-int.h"
#include "manifest/time-text.h"

#define GOLDEN "tests/golden/manifest/valid.json"

static int test_count;

static void ok(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

static char *golden_read(size_t *ret_size)
{
    char *bytes = NULL;
    Error err = ERROR_INIT;
    const int r = file_read(AT_FDCWD, GOLDEN, LIMIT_MANIFEST_SIZE, &bytes, ret_size, &err);
    if (r < 0) {
        printf("Bail out! run this test in the repository: %s\n", err.message);
        exit(1);
    }
    return bytes;
}

/* text with the first `needle` replaced. */
static char *replaced(const char *text, const char *needle, const char *replacement)
{
    const char *place = strstr(text, needle);
    must(place != NULL);
    char *result = NULL;
    must(asprintf(&result, "%.*s%s%s", (int)(place - text), text, replacement, place + strlen(needle)) >= 0);
    return result;
}

static void expect(const char *name, const char *bytes, size_t size, int expected, const char *fragment)
{
    Error err = ERROR_INIT;
    Manifest *manifest = NULL;
    const int r = manifest_parse(bytes, size, &manifest, &err);
    if (r != expected || (fragment != NULL && strstr(err.message, fragment) == NULL) || (r < 0 && err.code != -r)) {
        printf("not ok %d - %s\n# got %d \"%s\"\n# want %d \"%s\"\n", ++test_count, name, r, err.message, expected,
               fragment != NULL ? fragment : "");
        exit(1);
    }
    manifest_free(manifest);
    ok(name);
}

static void test_golden(const char *text, size_t size)
{
    Manifest *m = NULL;
    Error err = ERROR_INIT;
    must(manifest_parse(text, size, &m, &err) == 0);
    must(strcmp(manifest_name(m), "example.org/golden") == 0 && manifest_serial(m) == 7);
    must(strcmp(manifest_created(m), "2026-01-01T00:00:00Z") == 0 && manifest_created_time(m) == 1767225600);
    must(manifest_expires_time(m) == INT64_MAX && manifest_megabinary_size(m) == 4);
    must(strcmp(manifest_megabinary_path(m), "megabinary.wasm") == 0);
    Digest digest;
    must(sha256(text, size, &digest) == 0 && digest_equals(&digest, manifest_digest(m)));
    must(sha256("test", 4, &digest) == 0 && digest_equals(&digest, manifest_megabinary_digest(m)));
    ManifestLimits limits;
    manifest_limits(m, &limits);
    must(limits.memory_size == 268435456 && limits.pids_count == 64 && limits.timeout_ms == 60000 &&
         limits.open_files_count == 256 && limits.output_size == 1048576);
    must(manifest_row_count(m) == 3 && manifest_tool_count(m) == 1 &&
         strstr(manifest_tools_json(m), "\"program\":\"/bin/foo\"") != NULL);
    must(manifest_has_size(m, 3) && !manifest_has_size(m, 4) && !manifest_has_size(m, 0));

    must(sha256("foo", 3, &digest) == 0);
    const int64_t foo = manifest_find(m, &digest);
    must(foo >= 0);
    ManifestRow row;
    manifest_row(m, (size_t)foo, &row);
    must(strcmp(row.entry, "bin/foo") == 0 && strcmp(row.abi, "wali") == 0 && row.interpreter == NULL && row.size == 3);
    must(row.flags == MANIFEST_INTERPRETER && row.path_count == 2 && digest_equals(&row.digest, &digest));
    must(strcmp(manifest_row_path(m, (size_t)foo, 1), "/usr/bin/foo") == 0);
    must(strcmp(manifest_row_applet(m, (size_t)foo, 2), "[[") == 0 && manifest_row_applet(m, (size_t)foo, 3) == NULL);
    must(sha256("baz", 3, &digest) == 0);
    manifest_row(m, (size_t)manifest_find(m, &digest), &row);
    must(row.flags == MANIFEST_SCRIPT && row.entry == NULL && row.abi == NULL &&
         strcmp(row.interpreter, "/bin/foo") == 0);
    digest.bytes[31] ^= 1;
    must(manifest_find(m, &digest) == -1);
    manifest_free(m);
    ok("golden manifest has every field");
}

static void test_mutations(const char *text)
{
    static const struct {
        const char *name, *needle, *replacement, *fragment;
    } cases[] = {
        {"duplicate top-level key", "\"serial\": 7,", "\"serial\": 7, \"serial\": 7,", "duplicate"},
        {"duplicate key that an escape hides", "\"serial\": 7,", "\"serial\": 7, \"seri\\u0061l\": 8,", "duplicate"},
        {"duplicate digest", "\"sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9\"",
         "\"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"", "duplicate"},
        {"digest that is program and script", "sha256:baa5a0964d3320fbc0c6a922140453c8513ea24ab8fd0577034804a967248096",
         "sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9", "also listed"},
        {"upper-case hex", "sha256:2c26b4", "sha256:2C26b4", "lower-case"},
        {"short hex", "sha256:2c26b4", "sha256:26b4", "lower-case"},
        {"over-long hex", "sha256:2c26b4", "sha256:aa2c26b4", "lower-case"},
        {"digest without tag", "sha256:2c26b4", "2c26b4", "lower-case"},
        {"upper-case megabinary digest", "9f86d0", "9F86d0", "/megabinary/sha256"},
        {"over-long megabinary digest", "9f86d0", "009f86d0", "/megabinary/sha256"},
        {"fraction", "\"serial\": 7,", "\"serial\": 7.0,", "integers"},
        {"exponent", "\"serial\": 7,", "\"serial\": 7e0,", "integers"},
        {"2^53", "\"serial\": 7,", "\"serial\": 9007199254740992,", "2^53-1"},
        {"2^53+1", "\"serial\": 7,", "\"serial\": 9007199254740993,", "2^53-1"},
        {"2^64+7", "\"serial\": 7,", "\"serial\": 18446744073709551623,", "2^53-1"},
        {"negative serial", "\"serial\": 7,", "\"serial\": -7,", "/serial"},
        {"leading zero", "\"serial\": 7,", "\"serial\": 07,", "byte"},
        {"serial as a string", "\"serial\": 7,", "\"serial\": \"7\",", "must be an integer"},
        {"serial true", "\"serial\": 7,", "\"serial\": true,", "must be an integer"},
        {"missing serial", "\"serial\": 7,", "", "/serial: missing"},
        {"NUL escape", "example.org/golden", "example\\u0000", "u0000"},
        {"lone surrogate", "runs foo", "runs \\ud800 foo", "surrogate"},
        {"reversed surrogates", "runs foo", "\\udc00\\ud800", "surrogate"},
        {"invalid UTF-8", "runs foo", "runs \xff foo", "UTF-8"},
        {"over-long UTF-8", "runs foo", "runs \xc0\xaf", "UTF-8"},
        {"surrogate in UTF-8", "runs foo", "\xed\xa0\x80", "UTF-8"},
        {"beyond U+10FFFF", "runs foo", "\xf4\x90\x80\x80", "UTF-8"},
        {"truncated UTF-8 before a quote", "runs foo", "runs \xe2\x82", "UTF-8"},
        {"raw newline in a string", "runs foo", "runs\nfoo", "control"},
        {"bad escape", "runs foo", "runs \\x41", "escape"},
        {"unknown top-level key", "\"serial\": 7,", "\"serial\": 7, \"extra\": 1,", "/extra: unknown key"},
        {"case matters in keys", "\"serial\": 7,", "\"serial\": 7, \"Serial\": 8,", "unknown key"},
        {"extension that names a known key", "\"serial\": 7,", "\"serial\": 7, \"extensions\": [\"name\"],",
         "names a key"},
        {"unknown program key", "\"abi\": \"wali\",", "\"abi\": \"wali\", \"mode\": 7,", "unknown key"},
        {"unknown abi", "\"abi\": \"wali\"", "\"abi\": \"WALI\"", "\"wasi\" or \"wali\""},
        {"unknown flag", "[\"interpreter\"]", "[\"setuid\"]", "unknown flag"},
        {"flag twice", "[\"interpreter\"]", "[\"interpreter\", \"interpreter\"]", "given twice"},
        {"flags of another type", "[\"interpreter\"]", "\"interpreter\"", "must be an array"},
        {"warm of another type", "\"flags\": [\"interpreter\"]", "\"warm\": 1", "must be true or false"},
        {"path with ..", "/usr/bin/foo", "/usr/../bin/foo", "absolute path"},
        {"path with //", "/usr/bin/foo", "/usr//bin/foo", "absolute path"},
        {"relative path", "\"/usr/bin/foo\"", "\"usr/bin/foo\"", "absolute path"},
        {"path with trailing slash", "/usr/bin/foo", "/usr/bin/foo/", "absolute path"},
        {"path with a control byte", "/usr/bin/foo", "/usr/bin/\\u0007", "absolute path"},
        {"empty path", "\"/usr/bin/foo\"", "\"\"", "bytes"},
        {"interpreter path relative", "\"interpreter\": \"/bin/foo\"", "\"interpreter\": \"bin/foo\"",
         "clean absolute"},
        {"applet with a slash", "\"foo\", \"[\"", "\"f/oo\", \"[\"", "applets"},
        {"applet with a space", "\"foo\", \"[\"", "\"f oo\", \"[\"", "applets"},
        {"entry empty", "\"entry\": \"bin/foo\"", "\"entry\": \"\"", "/entry"},
        {"entry with a space", "\"entry\": \"bin/foo\"", "\"entry\": \"bin foo\"", "/entry"},
        {"entry not a string", "\"entry\": \"bin/foo\"", "\"entry\": 1", "/entry"},
        {"megabinary path escapes", "\"megabinary.wasm\"", "\"../megabinary.wasm\"", "/megabinary/path"},
        {"megabinary size 0", "\"size\": 4}", "\"size\": 0}", "/megabinary/size"},
        {"wrong media type", "manifest.v1+json", "policy.v1+json", "/mediaType"},
        {"name with a space", "example.org/golden", "example golden", "/name"},
        {"empty name", "example.org/golden", "", "/name"},
        {"time with offset", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "/created"},
        {"time with fraction", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "/created"},
        {"time in lower case", "2026-01-01T00:00:00Z", "2026-01-01t00:00:00z", "/created"},
        {"date that is none", "2026-01-01T00:00:00Z", "2026-02-29T00:00:00Z", "/created"},
        {"leap second", "2026-01-01T00:00:00Z", "2016-12-31T23:59:60Z", "/created"},
        {"expires before created", "\"created\": \"2026-01-01T00:00:00Z\",",
         "\"created\": \"2026-01-01T00:00:00Z\", \"expires\": \"2025-01-01T00:00:00Z\",", "/expires"},
        {"limit of zero", "\"pids\": 64", "\"pids\": 0", "/limits/pids"},
        {"unknown limit", "\"pids\": 64", "\"cpus\": 64", "unknown key"},
        {"unknown tool key", "\"name\": \"foo\"", "\"name\": \"foo\", \"env\": {}", "unknown key"},
        {"tool name with a slash", "\"name\": \"foo\"", "\"name\": \"f/oo\"", "/tools/0/name"},
        {"tool args of another type", "[\"-\", \"{file}\"]", "[1]", "/tools/0/args/0"},
        {"input schema of another type", "\"type\": \"object\"", "\"type\": \"array\"", "inputSchema/type"},
        {"trailing comma", "\"output_bytes\": 1048576}", "\"output_bytes\": 1048576,}", "byte"},
        {"trailing bytes", "1048576}\n}", "1048576}\n} x", "byte"},
        {"second document", "1048576}\n}", "1048576}\n}{}", "byte"},
        {"unbalanced", "1048576}\n}", "1048576}\n}}", "unbalanced"},
        {"not closed", "1048576}\n}", "1048576}\n", "byte"},
        {"comment", "\"serial\": 7,", "\"serial\": 7, /* x */", "byte"},
        {"NaN", "\"serial\": 7,", "\"serial\": NaN,", "byte"},
        {"programs is an array", "\"programs\": {", "\"programs\": [], \"x\": {", "unknown key"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        _cleanup_(freep) char *changed = replaced(text, cases[i].needle, cases[i].replacement);
        expect(cases[i].name, changed, strlen(changed), -EBADMSG, cases[i].fragment);
    }
    _cleanup_(freep) char *extended =
        replaced(text, "\"serial\": 7,", "\"serial\": 9007199254740991, \"extensions\": [\"x\"], \"x\": [1],");
    expect("2^53-1 and a named extension are fine", extended, strlen(extended), 0, NULL);
}

static void test_raw(const char *text, size_t size)
{
    _cleanup_(freep) char *bom = NULL;
    must(asprintf(&bom, "\xef\xbb\xbf%s", text) >= 0);
    expect("byte order mark", bom, strlen(bom), -EBADMSG, "byte order mark");
    _cleanup_(freep) char *with_nul = malloc(size + 1);
    must(with_nul != NULL);
    memcpy(with_nul, text, size);
    with_nul[size] = '\0';
    expect("trailing NUL byte", with_nul, size + 1, -EBADMSG, "unexpected byte");
    expect("empty document", "", 0, -EBADMSG, "empty");
    expect("null", "null", 4, -EBADMSG, NULL);
    expect("array", "[]", 2, -EBADMSG, "must be an object");
    expect("white space only", "  ", 2, -EBADMSG, NULL);
    _cleanup_(freep) char *deep = malloc(100000);
    must(deep != NULL);
    memset(deep, '[', 100000);
    expect("depth 100000", deep, 100000, -EBADMSG, "nested deeper");
    expect("depth 9", "[[[[[[[[[]]]]]]]]]", 18, -EBADMSG, "nested deeper");
    expect("depth 8 is only no manifest", "[[[[[[[[]]]]]]]]", 16, -EBADMSG, "must be an object");
    const size_t large_size = LIMIT_MANIFEST_SIZE + 1;
    _cleanup_(freep) char *large = malloc(large_size);
    must(large != NULL);
    memset(large, ' ', large_size);
    memcpy(large, text, size);
    expect("64 MiB and one byte", large, large_size, -E2BIG, "67108864");
    expect("64 MiB with white space", large, large_size - 1, 0, NULL);
    memset(large, ',', large_size);
    large[0] = '[';
    for (size_t i = 1; i < large_size - 1; i += 2) {
        large[i] = '1';
    }
    expect("32 million values", large, large_size - 1, -E2BIG, "values");
    for (size_t cut = 0; cut < size - 2; cut++) { /* the last byte is a newline */
        Manifest *manifest = NULL;
        must(manifest_parse(text, cut, &manifest, NULL) == -EBADMSG);
    }
    ok("every truncation is refused");
}

static void test_index(const char *text, size_t size)
{
    Manifest *m = NULL;
    must(manifest_parse(text, size, &m, NULL) == 0);
    const uint8_t *bytes = NULL;
    size_t index_size = 0;
    manifest_index(m, &bytes, &index_size);
    _cleanup_(freep) uint8_t *copy = malloc(index_size + 1);
    must(copy != NULL);
    memcpy(copy + 1, bytes, index_size); /* not aligned on purpose */
    Manifest *again = NULL;
    must(manifest_from_index(copy + 1, index_size, &again, NULL) == 0);
    must(manifest_row_count(again) == 3 && strcmp(manifest_name(again), manifest_name(m)) == 0);
    again = manifest_free(again);
    for (size_t i = 0; i < index_size; i++) {
        must(manifest_from_index(copy + 1, i, &again, NULL) == -EBADMSG);
        copy[1 + i] ^= 0x40;
        must(manifest_from_index(copy + 1, index_size, &again, NULL) == -EBADMSG);
        copy[1 + i] ^= 0x40;
    }
    ok("every truncation and every flipped byte of an index is refused");
    /* With the checksum made right again, the structure itself is what refuses; anything accepted must be safe to read.
     */
    size_t accepted = 0;
    for (size_t i = INDEX_CHECKSUM_START; i < index_size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            copy[1 + i] ^= (uint8_t)(1 << bit);
            Digest checksum;
            must(sha256(copy + 1 + INDEX_CHECKSUM_START, index_size - INDEX_CHECKSUM_START, &checksum) == 0);
            memcpy(copy + 1 + 8, checksum.bytes, DIGEST_SIZE);
            if (manifest_from_index(copy + 1, index_size, &again, NULL) == 0) {
                accepted++;
                for (size_t r = 0; r < manifest_row_count(again); r++) {
                    ManifestRow row;
                    manifest_row(again, r, &row);
                    must((row.entry != NULL) == (row.interpreter == NULL));
                    for (uint32_t p = 0; p < row.path_count; p++) {
                        must(manifest_row_path(again, r, p)[0] == '/');
                    }
                    must(manifest_has_size(again, row.size) && manifest_find(again, &row.digest) == (int64_t)r);
                }
                again = manifest_free(again);
            }
            copy[1 + i] ^= (uint8_t)(1 << bit);
        }
    }
    printf("# %zu of %zu bit flips change only a value\n", accepted, (index_size - INDEX_CHECKSUM_START) * 8);
    manifest_free(m);
    ok("an index with a right checksum and any bit flipped is refused or safe");
}

static void test_write(void)
{
    static const char *const paths[] = {"/usr/bin/b", "/bin/a"};
    static const char *const applets[] = {"ls", "[", "cat"};
    ManifestProgramSpec programs[2] = {
        {.size = 10,
         .entry = "bin/b",
         .abi = "wali",
         .paths = paths,
         .path_count = 2,
         .applets = applets,
         .applet_count = 3,
         .flags = MANIFEST_INTERPRETER | MANIFEST_DENY_INLINE},
        {.size = 20, .entry = "bin/c", .abi = "wasi", .paths = paths, .path_count = 1},
    };
    ManifestScriptSpec script = {.size = 5, .interpreter = "/bin/sh", .paths = paths, .path_count = 1};
    must(sha256("b", 1, &programs[0].digest) == 0 && sha256("c", 1, &programs[1].digest) == 0 &&
         sha256("s", 1, &script.digest) == 0);
    ManifestSpec spec = {.name = "n",
                         .serial = 1,
                         .created = "2026-01-01T00:00:00Z",
                         .expires = "2027-01-01T00:00:00Z",
                         .megabinary_size = 9,
                         .programs = programs,
                         .program_count = 2,
                         .scripts = &script,
                         .script_count = 1,
                         .tools_json = "[ { \"name\": \"t\", \"program\": \"/bin/a\" } ]",
                         .limits_json = "{\"pids\": 3}"};
    Buf first = BUF_INIT(1 << 20);
    Buf second = BUF_INIT(1 << 20);
    Error err = ERROR_INIT;
    must(manifest_write(&spec, &first, &err) == 0);
    const ManifestProgramSpec swapped = programs[0];
    programs[0] = programs[1];
    programs[1] = swapped;
    must(manifest_write(&spec, &second, &err) == 0);
    must(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    Manifest *m = NULL;
    must(manifest_parse((const char *)first.bytes, first.size, &m, &err) == 0);
    ManifestRow row;
    manifest_row(m, (size_t)manifest_find(m, &swapped.digest), &row);
    must(row.flags == (MANIFEST_INTERPRETER | MANIFEST_DENY_INLINE) && row.path_count == 2 &&
         manifest_tool_count(m) == 1);
    m = manifest_free(m);
    ok("written text is stable and parses");
    spec.tools_json = "[]}, \"extensions\": [1";
    must(manifest_write(&spec, &second, &err) == -EBADMSG);
    spec.tools_json = NULL;
    spec.name = "not valid";
    must(manifest_write(&spec, &second, &err) == -EBADMSG);
    must(first.size == second.size);
    buf_deinit(&first);
    buf_deinit(&second);
    ok("a bad spec writes nothing");
}

static void test_time(void)
{
    char text[TIME_TEXT_SIZE];
    for (int64_t day = 0; day < 2932896; day += 1) { /* every day to 9999-12-31 */
        int64_t back = -1;
        time_print(day * 86400 + day % 86400, text);
        must(time_parse(text, &back) == 0 && back == day * 86400 + day % 86400);
    }
    int64_t seconds = 0;
    must(time_parse("2000-02-29T23:59:59Z", &seconds) == 0 && seconds == 951868799);
    must(time_parse("1900-01-01T00:00:00Z", &seconds) == -EINVAL &&
         time_parse("2100-02-29T00:00:00Z", &seconds) == -EINVAL);
    ok("calendar: every day of 1970..9999 goes there and back");
}

int main(void)
{
    size_t size = 0;
    _cleanup_(freep) char *text = golden_read(&size);
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_golden(text, size);
    test_mutations(text);
    test_raw(text, size);
    test_index(text, size);
    test_write();
    test_time();
    printf("1..%d\n", test_count);
    return 0;
}
