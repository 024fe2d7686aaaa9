/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs.c - the table of verbs with their help texts; completion scripts are made from it.
 */
#include "cmd/cmd.h"

const CmdVerb cmd_verbs[] = {
    {"keygen", "make a signing key pair",
     "usage: recompiler keygen NAME\n\n"
     "Writes NAME.key (PKCS#8 PEM, mode 0600) and NAME.pub (SPKI PEM). Existing files are never overwritten.\n\n"
     "example: recompiler keygen release && cp release.pub /etc/recompiler/trust.d/\n", verb_keygen, true},
    {"build", "make an image: link modules to a megabinary, write and sign the manifest",
     "usage: recompiler build [OPTIONS] OUT\n\n"
     "  --from SRC             root directory, OCI layout directory or archive to start from\n"
     "  --program PATH=MODULE  the file PATH of the image is the program MODULE.wasm (PATH is made from MODULE when missing)\n"
     "  --recipe FILE          the same in a JSON file (doc/build.md)\n"
     "  --name NAME            manifest name, e.g. example.org/toolbox\n"
     "  --serial N             manifest serial (default 1); a lower one is refused later\n"
     "  --expires TIME         RFC 3339 UTC, e.g. 2027-01-01T00:00:00Z\n"
     "  --sign-with KEY        sign with KEY (NAME.key); may be given several times\n\n"
     "OUT is an archive when it ends in .tar, .tar.gz or .tar.zst, an OCI directory when it ends in .oci, else a directory.\n"
     "Executable files that are WASM modules become programs, executable #! files scripts. ELF files without a module are\n"
     "listed as a warning: they will be denied.\n\n"
     "example: recompiler build --from rootfs --program /usr/bin/lua=lua.wasm --name example.org/lua --sign-with release.key lua.tar\n",
     verb_build, true},
    {"sign", "add a signature to an image",
     "usage: recompiler sign IMAGE --key KEY\n\n"
     "  --key KEY   sign with KEY (NAME.key)\n\n"
     "The image is rewritten in place (atomically). Signatures of other keys stay.\n\n"
     "example: recompiler sign toolbox.tar --key release.key\n", verb_sign, true},
    {"verify", "check signature, trust, expiry, rollback, digests; prints each check",
     "usage: recompiler verify IMAGE\n\nExit status 0 when every check holds, else 1. Archives are read in full.\n\n"
     "example: recompiler --trust ./trust verify toolbox.tar\n", verb_verify, true},
    {"inspect", "programs, scripts, tools, entries, hashes, signers",
     "usage: recompiler inspect [--disassemble WHAT] IMAGE\n\nShows what the image says of itself and whether its signature is trusted here.\n\n"
     "  --disassemble WHAT  the instructions of an entry's start function, of the functions of that name, or of func[N]; the offsets\n"
     "                      are those of trap reports\n\n"
     "example: recompiler inspect toolbox.tar --json | jq .programs\n"
     "         recompiler inspect --disassemble strlen toolbox.tar\n", verb_inspect, true},
    {"prepare", "verify and compile an image into the cache",
     "usage: recompiler prepare [--jobs N] [--cpu NAME] [--opt N] [--profile FILE] [--no-snapshots] IMAGE\n\n"
     "  --jobs N     compile with N threads (default: one a CPU)\n"
     "  --cpu NAME   x86-64-v2 (default), x86-64-v3, x86-64-v4, native\n"
     "  --opt N      0 to 3 (default 2); 0 compiles in a seventh of the time, for a first start with run --opt 0\n"
     "  --profile FILE  lay the code out by the calls that run --record-profile wrote there, for every later start; none: no more\n"
     "  --no-snapshots  do not run the programs that the manifest calls warm (a machine that compiles for others)\n\n"
     "example: recompiler prepare toolbox.tar\n", verb_prepare, true},
    {"run", "run a program of an image, chosen by the SHA-256 of its file",
     "usage: recompiler run [OPTIONS] IMAGE PATH [ARGS...]\n\n"
     "  -e, --env NAME[=VALUE]    set or pass an environment variable\n"
     "      --unsetenv-all        neither the image's environment nor PATH and HOME: only -e\n"
     "  -w, --workdir DIR         working directory in the image\n"
     "  -u, --user USER[:GROUP]   names or numbers (default: the image's user, else root)\n"
     "  -i, --interactive         keep stdin open (default: stdin is passed on)\n"
     "  -t, --tty                 pass the terminal (sets TERM)\n"
     "  -v, --volume SRC:DST[:ro] show a host directory or file in the container (never executable)\n"
     "      --read-only           no writable layer\n"
     "      --memory SIZE         limit, e.g. 64m\n"
     "      --cpus N              limit, e.g. 1.5\n"
     "      --pids-limit N        limit\n"
     "      --timeout SECONDS     end it after that; exit status 124\n"
     "      --network none|host   default none\n"
     "      --name NAME           container name (cgroup, hostname, audit)\n"
     "      --stats               start time, wall time, CPU and memory on stderr\n"
     "      --strace              guest system calls on stderr\n"
     "      --wasi-dir DIR[::NAME] directory that WASI programs find open (default: /; none: no directory at all)\n"
     "      --core FILE           what is known of every trap, one JSON line each (empty when there was none)\n"
     "      --record-profile FILE the functions that are called, in order of first calls, for prepare --profile; what FILE has is kept\n"
     "      --explain             print the look-up step by step and run nothing\n"
     "      --cpu NAME            code for this CPU: x86-64-v2 (default), x86-64-v3, x86-64-v4, native\n"
     "      --opt N               0 to 3 (default 2); 0: start with quickly compiled code, optimised in the background for the next start\n\n"
     "Exit status: the program's own; 128+N when it died of signal N; 124 timed out; 125 recompiler failed (verification\n"
     "included); 126 denied; 127 not found.\n\n"
     "example: recompiler run toolbox.tar /bin/sh -c 'echo hello | wc -c'\n", verb_run, true},
    {"audit", "read, follow and check the audit log",
     "usage: recompiler audit [--follow] [--verify] [--file FILE]\n\n"
     "  --verify   check the hash chain: a removed, changed or reordered record is named; exit status 1\n"
     "  --follow   print records as they come\n"
     "  --file FILE   this log instead of the node's\n\n"
     "example: recompiler audit --verify\n", verb_audit, false},
    {"doctor", "what this node can do and what is missing",
     "usage: recompiler doctor\n\nEvery line is a live probe. Exit status 1 when something needed is missing.\n\n"
     "example: recompiler doctor --json\n", verb_doctor, false},
    {"completion", "shell completion",
     "usage: recompiler completion bash|zsh|fish\n\nexample: recompiler completion bash > /etc/bash_completion.d/recompiler\n", verb_completion, false},
};
const size_t cmd_verb_count = sizeof(cmd_verbs) / sizeof(cmd_verbs[0]);
