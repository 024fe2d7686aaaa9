/* SPDX-License-Identifier: Apache-2.0 */
/*
 * language.cpp - what C++ says about exceptions, printed: natively by libstdc++, in a guest by bench/exception-kernels/wasm-cxa.cpp
 * in both forms of WebAssembly's exceptions. tests/exceptions/run compares the outputs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef GUEST_FORK
#include <setjmp.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define NOINLINE __attribute__((noinline))

struct Base {
    explicit Base(int code_) : code(code_) {}
    Base(const Base &other) : code(other.code + 1000) {}
    virtual ~Base() { printf("~Base %d\n", code); }
    virtual const char *name() const { return "Base"; }
    int code;
};
struct Derived : Base {
    explicit Derived(int code_) : Base(code_) {}
    ~Derived() override { printf("~Derived\n"); }
    const char *name() const override { return "Derived"; }
};
struct Other {
    int value;
};
struct Guard {
    explicit Guard(const char *text_) : text(text_) {}
    ~Guard() { printf("guard %s\n", text); }
    const char *text;
};

static NOINLINE int leaf(int what)
{
    Guard guard("leaf");
    switch (what) {
    case 0: return 7;
    case 1: throw Derived(11);
    case 2: throw 5;
    case 3: throw Other{3};
    case 4: throw "text";
    case 5: throw Base(12);
    default: throw 2.5;
    }
}

static NOINLINE int middle(int what)
{
    Guard guard("middle");
    try {
        return leaf(what) + 1;
    } catch (const Derived &error) {
        printf("middle: %s %d\n", error.name(), error.code);
        throw;
    } catch (int value) {
        printf("middle: int %d\n", value);
        throw value * 2;
    }
}

static NOINLINE void outer(int what)
{
    try {
        printf("result %d\n", middle(what));
    } catch (const Base &error) {
        printf("outer: %s %d\n", error.name(), error.code);
    } catch (int value) {
        printf("outer: int %d\n", value);
    } catch (const char *text) {
        printf("outer: %s\n", text);
    } catch (...) {
        printf("outer: something\n");
    }
}

/* An exception while another one is being handled, in a destructor and in a catch. */
struct Careful {
    ~Careful()
    {
        try {
            leaf(2);
        } catch (int value) {
            printf("careful: %d\n", value);
        }
    }
};

static NOINLINE void nested()
{
    try {
        try {
            Careful careful;
            leaf(1);
        } catch (const Base &error) {
            try {
                leaf(3);
            } catch (const Other &other) {
                printf("nested: %d within %d\n", other.value, error.code);
            }
            throw Other{error.code};
        }
    } catch (const Other &other) {
        printf("nested: other %d\n", other.value);
    }
}

static NOINLINE uint64_t recurse(uint32_t depth, uint64_t a, double b)
{
    if (depth == 0) {
        throw a;
    }
    const uint64_t c = a * 3 + depth;
    const double d = b * 1.5 + depth;
    uint64_t got;
    try {
        got = recurse(depth - 1, c, d > 1e6 ? 1 : d);
    } catch (uint64_t value) {
        if (depth % 10 != 0) {
            throw value ^ c ^ (uint64_t)d;
        }
        got = value + c;
    }
    return got * 5 + a + (uint64_t)b;
}

static NOINLINE uint32_t many(uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        try {
            try {
                throw Other{(int)i};
            } catch (const Other &other) {
                if (other.value % 2 != 0) {
                    throw;
                }
                sum += 1;
            }
        } catch (...) {
            sum += 2;
        }
    }
    return sum;
}

/* Floating-point, 64-bit and many live values across a throwing call. */
static NOINLINE double live(int what)
{
    double a = 1.25, b = 2.5, c = 5, d = 10, e = 20, f = 40;
    int64_t g = 1ll << 40, h = 3, i = 5, j = 7, k = 9, l = 11;
    for (int n = 0; n < 4; n++) {
        try {
            a += leaf(what);
            g += 1;
        } catch (int value) {
            b += value + a;
            h += g >> 38;
        } catch (double value) {
            c += value + b + f;
            j += h + k;
        }
        d += c;
        e += d - b;
        i += j ^ l;
        k += i & 3;
    }
    return a + b + c + d + e + f + (double)(g + h + i + j + k + l);
}

#ifdef GUEST_FORK
static jmp_buf target;

static NOINLINE void jumping(int what)
{
    if (setjmp(target) != 0) {
        printf("jumped\n");
        return;
    }
    if (what == 1) {
        longjmp(target, 1);
    }
    leaf(2); /* past a frame with a setjmp record */
}

static void forking()
{
    try {
        leaf(1);
    } catch (const Base &error) {
        fflush(stdout);
        const pid_t pid = fork();
        if (pid == 0) {
            printf("child: %d\n", error.code);
            outer(2);
            printf("child: %u\n", many(1000));
            fflush(stdout);
            _exit(3);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        printf("parent: %d, child %d\n", error.code, WEXITSTATUS(status));
    }
    for (int i = 0; i < 100000; i++) { /* more than there are records */
        try {
            jumping(i == 0 ? 1 : 2);
        } catch (int value) {
            if (i == 99999) {
                printf("left a frame with setjmp: %d\n", value);
            }
        }
        if (i == 1) {
            freopen("/dev/null", "w", stdout);
        }
    }
}
#endif

int main()
{
    for (int what = 0; what <= 6; what++) {
        printf("-- %d\n", what);
        outer(what);
    }
    nested();
    uint64_t sum = 0;
    for (uint32_t depth = 1; depth < 200; depth += 7) {
        try {
            sum = sum * 31 + recurse(depth, depth, 0.5);
        } catch (uint64_t value) {
            sum ^= value;
        }
    }
    printf("%llu\n", (unsigned long long)sum);
    printf("%u\n", many(200000));
    for (int what = 0; what <= 6; what += 2) {
        try {
            printf("%.3f\n", live(what));
        } catch (...) {
            printf("left\n");
        }
    }
#ifdef GUEST_FORK
    forking();
#endif
    return 0;
}
