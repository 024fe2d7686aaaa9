# SPDX-License-Identifier: Apache-2.0
# syscall.h.in syscalls.tbl -> bits/wali-syscalls.h: one import declaration per call and the case that converts musl's six longs to it.
# A call that a program does not use leaves no import behind: the dispatch is always inlined on a constant number.
BEGIN {
    type["i"] = "int"; type["p"] = "unsigned"; type["l"] = "long long"
    print "/* Generated from syscalls.tbl by gen-syscalls.awk. */"
    print "#ifndef _BITS_WALI_SYSCALLS_H\n#define _BITS_WALI_SYSCALLS_H"
}
/^#define __NR_/ { number[substr($2, 6)] = $3; next }
/^#/ || NF == 0 { next }
{
    if (!($1 in number)) { print "syscalls.tbl: " $1 " has no number" > "/dev/stderr"; exit 1 }
    import = NF > 2 ? $3 : $1
    declared = ""; passed = ""
    count = $2 == "-" ? 0 : length($2)
    for (i = 1; i <= count; i++) {
        letter = substr($2, i, 1)
        if (!(letter in type)) { print "syscalls.tbl: bad letter " letter " in " $1 > "/dev/stderr"; exit 1 }
        declared = declared (i > 1 ? ", " : "") type[letter]
        passed = passed (i > 1 ? ", " : "") "(" type[letter] ")__a" i
    }
    printf "long long __wali_%s(%s) __attribute__((__import_module__(\"wali\"), __import_name__(\"SYS_%s\")));\n", \
        $1, count ? declared : "void", import
    cases = cases sprintf("    case %s: return __wali_%s(%s);\n", number[$1], $1, passed)
}
END {
    print "static __inline __attribute__((__always_inline__)) long"
    print "__wali_syscall(long __n, long __a1, long __a2, long __a3, long __a4, long __a5, long __a6)"
    print "{\n    switch (__n) {"
    printf "%s", cases
    print "    default: return -38; /* ENOSYS */\n    }\n}\n#endif"
}
