/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exceptions.cpp - kernels of bench/exceptions: what C++ exceptions cost when nothing is thrown and when something is.
 *
 * One source for every side. With EXCEPTIONS_OFF (and -fno-exceptions) the kernels `calls` and `expressions` are the same work with error codes
 * ignored: the difference is what being ready for an exception costs. The others throw: NAME_1 past no frame, NAME_10 and NAME_100
 * past that many frames with a destructor each.
 */
#include <stdint.h>
#include <stdlib.h>

extern "C" {
typedef struct Kernel {
    const char *name;
    uint64_t (*run)(void);
} Kernel;
extern const Kernel kernels[];
}

#ifdef EXCEPTIONS_OFF
#define TRY if (true)
#define CATCH(what) else
#define THROW(what) abort()
#else
#define TRY try
#define CATCH(what) catch (what)
#define THROW(what) throw what
#endif
#define NOINLINE __attribute__((noinline))

namespace {

struct Error {
    explicit Error(uint32_t code_) : code(code_) {}
    virtual ~Error() {}
    uint32_t code;
};
struct ParseError : Error {
    explicit ParseError(uint32_t code_) : Error(code_) {}
};

uint32_t released;

struct Guard { /* something to clean up */
    explicit Guard(uint32_t value_) : value(value_) {}
    ~Guard() { released += value; }
    uint32_t value;
};

uint32_t state;
uint32_t next() { return (state = state * 1664525u + 1013904223u) >> 8; }

/* --- nothing is thrown --- */

NOINLINE uint32_t checked(uint32_t value)
{
    if (value == 0xffffffffu) {
        THROW(Error(value));
    }
    return value * 3 + 1;
}

uint32_t (*volatile called)(uint32_t) = checked; /* else an engine that inlines has nothing left to do */

uint64_t calls()
{
    uint64_t sum = 0;
    released = 0;
    for (uint32_t i = 0; i < 10000000; i++) {
        Guard guard(1);
        TRY {
            sum += called(i);
        }
        CATCH(const Error &) {
            sum = 0;
        }
    }
    return sum + released;
}

struct Node {
    char kind;
    uint32_t value;
    Node *left, *right;
};

NOINLINE Node *tree(uint32_t depth)
{
    Node *node = (Node *)malloc(sizeof(Node));
    if (depth == 0) {
        *node = Node{'n', next() % 100 + 1, nullptr, nullptr};
    } else {
        Node *left = tree(depth - 1);
        *node = Node{"+-*/"[next() % 4], 0, left, tree(depth - 1)};
    }
    return node;
}

NOINLINE uint32_t evaluate(const Node *node)
{
    if (node->kind == 'n') {
        return node->value;
    }
    Guard guard(2);
    const uint32_t a = evaluate(node->left), b = evaluate(node->right);
    switch (node->kind) {
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    default:
        if (node->kind != '/') {
            THROW(ParseError(7));
        }
        return b == 0 ? a : a / b;
    }
}

NOINLINE void tree_free(Node *node)
{
    if (node != nullptr) {
        tree_free(node->left);
        tree_free(node->right);
        free(node);
    }
}

uint64_t expressions()
{
    uint64_t sum = 0;
    state = 12345;
    Node *root = tree(12);
    for (uint32_t i = 0; i < 600; i++) {
        TRY {
            sum = sum * 31 + evaluate(root);
        }
        CATCH(const ParseError &error) {
            sum = 1;
        }
    }
    tree_free(root);
    return sum;
}

#ifndef EXCEPTIONS_OFF
/* --- something is --- */

NOINLINE uint32_t thrower(uint32_t depth)
{
    if (depth == 0) {
        throw ParseError(5);
    }
    Guard guard(depth);
    return thrower(depth - 1) + depth;
}

uint64_t throws(uint32_t count, uint32_t depth)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        try {
            sum += thrower(depth);
        } catch (const Error &error) {
            sum += error.code;
        }
    }
    return sum;
}

uint64_t throw_1() { return throws(100000, 0); }
uint64_t throw_10() { return throws(30000, 10); }
uint64_t throw_100() { return throws(4000, 100); }

NOINLINE uint32_t translate(uint32_t depth)
{
    try {
        return thrower(1) + depth;
    } catch (const ParseError &error) {
        if (depth == 0) {
            throw 42;
        }
        throw;
    } catch (int) {
        return 1;
    }
}

uint64_t rethrow()
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 30000; i++) {
        try {
            sum += translate(i % 4);
        } catch (int code) {
            sum += (uint64_t)code;
        } catch (const Error &error) {
            sum += error.code * 2;
        }
    }
    return sum;
}
#endif

} /* namespace */

const Kernel kernels[] = {
    {"calls", calls},
    {"expressions", expressions},
#ifndef EXCEPTIONS_OFF
    {"throw_1", throw_1},
    {"throw_10", throw_10},
    {"throw_100", throw_100},
    {"rethrow", rethrow},
#endif
    {nullptr, nullptr},
};
