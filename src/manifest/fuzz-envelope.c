/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary bytes as an envelope, as a PEM public key and as a PEM private key; what signs again must verify. */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/must.h"
#include "manifest/key.h"
#include "manifest/trust.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char TYPE[] = "application/vnd.recompiler.manifest.v1+json";
static uint8_t secret_key[64];
static Trust *trust;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    char directory[] = "/tmp/fuzz-envelope-XXXXXX";
    char name[128];
    char id[DIGEST_HEX_SIZE + 1];
    must(sodium_init() >= 0 && mkdtemp(directory) != NULL && snprintf(name, sizeof(name), "%s/k", directory) > 0);
    must(key_generate(name, id, NULL) == 0);
    must(snprintf(name, sizeof(name), "%s/k.key", directory) > 0 && key_load_secret(name, secret_key, NULL) == 0);
    must(trust_load(directory, &trust, NULL) == 0 && tree_remove(AT_FDCWD, directory, NULL) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    Error err = ERROR_INIT;
    TrustSigners signers = {0};
    const char *text = (const char *)bytes;
    /* Nobody but this process has the key: an accepted input is a forgery. */
    must(envelope_verify(trust, text, size, TYPE, "payload", 7, &signers, &err) < 0);
    Buf envelope = BUF_INIT(2u << 20);
    if (envelope_sign(text, size, TYPE, "payload", 7, secret_key, &envelope, &err) == 0) {
        must(envelope_verify(trust, (char *)envelope.bytes, envelope.size, TYPE, "payload", 7, &signers, &err) == 0 &&
             signers.count == 1);
        must(envelope_verify(trust, (char *)envelope.bytes, envelope.size, TYPE, "Payload", 7, &signers, &err) < 0);
    }
    buf_deinit(&envelope);
    uint8_t key[64];
    if (key_parse_public(text, size, key, &err) == 0) {
        must(key_is_acceptable(key));
    }
    int r = key_parse_secret(text, size, key, &err);
    (void)r;
    r = base64_decode_strict(text, size, key, sizeof(key));
    must(r < 0 || (size_t)r == size / 4 * 3 - (text[size - 1] == '=') - (text[size - 2] == '='));
    return 0;
}
