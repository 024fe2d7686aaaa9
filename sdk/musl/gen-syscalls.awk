# SPDX-License-Identifier: Apache-2.0
# syscalls.tbl -> wali-syscalls.h: one import declaration per call and the case that converts musl's six longs to it.
# A call that a program does not use leaves no import behind: the dispatch is always inlined on a constant number.
BEGIN {
    type["i"] = "int"; type["p"] = "unsigned"; type["l"] = "long long"
    print "/* Generated from syscalls.tbl by gen-syscalls.awk. */"
}
/^#/ || NF == 0 { next }
{
    import = NF > 2 ? $3 : $1
    declared = ""; passed = ""
    count = $2 == "-" ? 0 : length($2)
    for (i = 1; i <= count; i++) {
        letter = substr($2, i, 1)
        if (!(letter in type)) { print "syscalls.tbl: bad letter " letter " in " $1 > "/dev/stderr"; exit 1 }
        declared = declared (i > 1 ? ", " : "") type[letter]
        passed = passed (i > 1 ? ", " : "") "(" type[letter] ")a" i
    }
    printf "long long __wali_%s(%s) __attribute__((__import_module__(\"wali\"), __import_name__(\"SYS_%s\")));\n", \
        $1, count ? declared : "void", import
    cases = cases sprintf("#ifdef SYS_%s\n    case SYS_%s: return __wali_%s(%s);\n#endif\n", $1, $1, $1, passed)
}
END {
    print "static inline __attribute__((__always_inline__)) long __wali_syscall(long n, long a1, long a2, long a3, long a4, long a5, long a6)"
    print "{\n    switch (n) {"
    printf "%s", cases
    print "    default: return -38; /* ENOSYS */\n    }\n}"
}
