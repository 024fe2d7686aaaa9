/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels-data.c - data structures and control flow: after kinds of CoreMark (list, matrix, state machine, CRC), a hash table,
 * pointer chasing that misses the caches, indirect calls, recursion. Written for this project.
 */

#include "kernels.h"

/* coremark: a linked list sorted and searched, a small integer matrix, a state machine over text, all into one CRC-16. */

static uint16_t crc16(uint32_t value, uint16_t crc)
{
    for (int bit = 0; bit < 32; bit++) {
        crc = (uint16_t)((value >> bit ^ crc) & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
    }
    return crc;
}

typedef struct Item {
    struct Item *next;
    int16_t value, index;
} Item;

static Item *list_merge(Item *a, Item *b, int by_index)
{
    Item head, *tail = &head;
    while (a != NULL && b != NULL) {
        const int is_a = by_index ? a->index <= b->index : a->value <= b->value;
        Item **from = is_a ? &a : &b;
        tail->next = *from;
        tail = *from;
        *from = (*from)->next;
    }
    tail->next = a != NULL ? a : b;
    return head.next;
}

static Item *list_sort(Item *list, int by_index)
{
    if (list == NULL || list->next == NULL) {
        return list;
    }
    Item *slow = list, *fast = list->next;
    while (fast != NULL && fast->next != NULL) {
        slow = slow->next;
        fast = fast->next->next;
    }
    Item *second = slow->next;
    slow->next = NULL;
    return list_merge(list_sort(list, by_index), list_sort(second, by_index), by_index);
}

static Item *list_reverse(Item *list)
{
    Item *done = NULL;
    while (list != NULL) {
        Item *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static uint16_t coremark_list(uint32_t *seed, uint16_t crc)
{
    enum { ITEMS = 200 };
    static Item items[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (Item){i + 1 < ITEMS ? &items[i + 1] : NULL, (int16_t)(random_next(seed) & 0x7fff), (int16_t)i};
    }
    Item *list = list_reverse(list_sort(items, 0));
    for (int wanted = 0; wanted < 40; wanted++) {
        const Item *found = list;
        while (found != NULL && found->index != wanted) {
            found = found->next;
        }
        crc = crc16(found != NULL ? (uint32_t)found->value : 0, crc);
    }
    list = list_sort(list, 1);
    return crc16((uint32_t)list->value, crc);
}

static uint16_t coremark_matrix(uint32_t *seed, uint16_t crc)
{
    enum { SIDE = 10 };
    int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = (int16_t)random_next(seed);
            b[i][j] = (int16_t)(random_next(seed) & 0xff);
        }
    }
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            uint32_t sum = 0;
            for (int k = 0; k < SIDE; k++) {
                const uint32_t product = (uint32_t)a[i][k] * (uint32_t)b[k][j];
                sum += (product >> 2 & 15) * (product >> 5 & 127);
            }
            crc = crc16(sum, crc);
        }
    }
    return crc;
}

enum State { STATE_START, STATE_SIGN, STATE_INTEGER, STATE_FRACTION, STATE_EXPONENT_MARK, STATE_EXPONENT, STATE_WRONG, STATE_N };

static enum State state_next(enum State state, char c)
{
    const int is_digit = c >= '0' && c <= '9';
    switch (state) {
    case STATE_START: return is_digit ? STATE_INTEGER : c == '+' || c == '-' ? STATE_SIGN : c == '.' ? STATE_FRACTION : STATE_WRONG;
    case STATE_SIGN: return is_digit ? STATE_INTEGER : c == '.' ? STATE_FRACTION : STATE_WRONG;
    case STATE_INTEGER: return is_digit ? STATE_INTEGER : c == '.' ? STATE_FRACTION : c == 'e' ? STATE_EXPONENT_MARK : STATE_WRONG;
    case STATE_FRACTION: return is_digit ? STATE_FRACTION : c == 'e' ? STATE_EXPONENT_MARK : STATE_WRONG;
    case STATE_EXPONENT_MARK: return is_digit || c == '-' ? STATE_EXPONENT : STATE_WRONG;
    case STATE_EXPONENT: return is_digit ? STATE_EXPONENT : STATE_WRONG;
    default: return STATE_WRONG;
    }
}

static uint16_t coremark_state(uint32_t *seed, uint16_t crc)
{
    static const char *const words[] = {"5012,", "+874,", "-12.5,", ".75e3,", "3e-9,", "T0.3e-1F,", "110.700,", "1.2.3,"};
    char text[512];
    size_t size = 0;
    while (size < 480) {
        const char *word = words[random_next(seed) % 8];
        for (; *word != '\0'; word++) {
            text[size++] = *word;
        }
    }
    uint32_t ended[STATE_N] = {0}, entered[STATE_N] = {0};
    enum State state = STATE_START;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ',') {
            ended[state]++;
            state = STATE_START;
        } else {
            state = state_next(state, text[i]);
            entered[state]++;
        }
    }
    for (int i = 0; i < STATE_N; i++) {
        crc = crc16(ended[i] << 16 | entered[i], crc);
    }
    return crc;
}

static uint64_t kernel_coremark(void)
{
    uint32_t seed = 17;
    uint16_t crc = 0;
    for (int pass = 0; pass < 600; pass++) {
        crc = coremark_list(&seed, crc);
        crc = coremark_matrix(&seed, crc);
        crc = coremark_state(&seed, crc);
    }
    return crc;
}

/* hashtable: open addressing, linear probing, insertion, look-up and removal in the proportions of a cache. */

enum { SLOTS = 1 << 17 };
typedef struct Slot {
    uint32_t key, value; /* key 0: empty */
} Slot;
static Slot slots[SLOTS];

static Slot *slot_find(uint32_t key)
{
    uint32_t at = key * 2654435769u >> 15;
    while (slots[at].key != key && slots[at].key != 0) {
        at = (at + 1) % SLOTS;
    }
    return &slots[at];
}

/* Closes the hole so that no probe ends too early. */
static void slot_remove(Slot *slot)
{
    uint32_t hole = (uint32_t)(slot - slots), at = hole;
    for (;;) {
        slots[hole].key = 0;
        do {
            at = (at + 1) % SLOTS;
            if (slots[at].key == 0) {
                return;
            }
        } while (((at - (slots[at].key * 2654435769u >> 15)) % SLOTS) < ((at - hole) % SLOTS));
        slots[hole] = slots[at];
        hole = at;
    }
}

static uint64_t kernel_hashtable(void)
{
    uint32_t seed = 23, count = 0;
    uint64_t check = 1;
    memset(slots, 0, sizeof(slots));
    for (uint32_t i = 0; i < 1500000; i++) {
        const uint32_t key = random_next(&seed) % 100000 + 1;
        Slot *slot = slot_find(key);
        if (slot->key == 0 && count < SLOTS / 2) {
            *slot = (Slot){key, i};
            count++;
        } else if (slot->key == key && i % 8 == 0) {
            check = check_next(check, slot->value);
            slot_remove(slot);
            count--;
        } else {
            slot->value += slot->key == key;
        }
    }
    return check ^ count;
}

/* chase: one cycle through 32 MiB in random order: a cache miss a step. Indexes, so that 32 and 64 bits read the same bytes. */

static uint64_t kernel_chase(void)
{
    enum { STEPS = 1 << 18, NODES = 1 << 19, NODE_SIZE = 16 };
    static uint32_t nodes[NODES * NODE_SIZE];
    uint32_t seed = 29, at = 0;
    if (nodes[0] == 0) {
        static uint32_t order[NODES];
        for (uint32_t i = 0; i < NODES; i++) {
            order[i] = i;
        }
        for (uint32_t i = NODES - 1; i > 0; i--) {
            const uint32_t j = random_next(&seed) % i, swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
        for (uint32_t i = 0; i < NODES; i++) {
            nodes[order[i] * NODE_SIZE] = order[(i + 1) % NODES] * NODE_SIZE;
        }
    }
    uint64_t check = 0;
    for (uint32_t i = 0; i < STEPS; i++) {
        at = nodes[at];
        check += at;
    }
    return check;
}

/* indirect: calls through a table of functions of one type, targets in an order the processor cannot guess. */

typedef uint32_t (*Operation)(uint32_t, uint32_t);
#define OPERATION(n, expression) \
    static uint32_t operation_##n(uint32_t a, uint32_t b) { return expression; }
OPERATION(0, a + b)
OPERATION(1, a - b)
OPERATION(2, a ^ b)
OPERATION(3, a * (b | 1))
OPERATION(4, a | b)
OPERATION(5, rotate_right(a, 7) + b)
OPERATION(6, a > b ? a - b : b - a)
OPERATION(7, (a >> 3) ^ (b << 2))
static Operation volatile operations[8] = {operation_0, operation_1, operation_2, operation_3, operation_4, operation_5, operation_6, operation_7};

static uint64_t kernel_indirect(void)
{
    static uint8_t order[4096];
    uint32_t seed = 31, value = 1;
    for (uint32_t i = 0; i < sizeof(order); i++) {
        order[i] = random_next(&seed) % 8;
    }
    for (uint32_t i = 0; i < 6000000; i++) {
        value = operations[order[i % sizeof(order)]](value, i);
    }
    return value;
}

/* objects: calls through a table that every object points to, as compilers of object-oriented languages make them. */

typedef struct Shape Shape;
typedef struct Methods {
    uint32_t (*area)(const Shape *);
    void (*grow)(Shape *, uint32_t);
} Methods;
struct Shape {
    const Methods *methods;
    uint32_t width, height;
};
static uint32_t box_area(const Shape *shape) { return shape->width * shape->height; }
static uint32_t triangle_area(const Shape *shape) { return shape->width * shape->height / 2; }
static uint32_t frame_area(const Shape *shape) { return 2 * (shape->width + shape->height); }
static void both_grow(Shape *shape, uint32_t by) { shape->width += by, shape->height ^= by; }
static void width_grow(Shape *shape, uint32_t by) { shape->width = (shape->width + by) & 0xffff; }
static const Methods box = {box_area, both_grow}, triangle = {triangle_area, width_grow}, frame = {frame_area, both_grow};

static uint64_t kernel_objects(void)
{
    enum { SHAPES = 1000 };
    static Shape shapes[SHAPES];
    uint32_t seed = 37;
    uint64_t check = 0;
    for (int i = 0; i < SHAPES; i++) {
        const uint32_t kind = random_next(&seed) % 3;
        shapes[i] = (Shape){kind == 0 ? &box : kind == 1 ? &triangle : &frame, random_next(&seed) & 0xff, random_next(&seed) & 0xff};
    }
    for (uint32_t pass = 0; pass < 3000; pass++) {
        for (int i = 0; i < SHAPES; i++) {
            check += shapes[i].methods->area(&shapes[i]);
        }
        shapes[pass % SHAPES].methods->grow(&shapes[pass % SHAPES], pass & 3);
    }
    return check;
}

/* recursion: Takeuchi's function, Ackermann's function, and queens by backtracking. */

static int32_t tak(int32_t x, int32_t y, int32_t z)
{
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static uint32_t ackermann(uint32_t m, uint32_t n)
{
    if (m == 0) {
        return n + 1;
    }
    return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

static uint32_t queens(uint32_t all, uint32_t columns, uint32_t left, uint32_t right)
{
    if (columns == all) {
        return 1;
    }
    uint32_t count = 0;
    for (uint32_t free = all & ~(columns | left | right); free != 0; free &= free - 1) {
        const uint32_t bit = free & (0u - free);
        count += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

static uint64_t kernel_recursion(void)
{
    volatile int32_t x = 22;
    volatile uint32_t n = 7, side = 11;
    const uint32_t all = (1u << side) - 1;
    return (uint64_t)tak(x, 15, 8) << 48 ^ (uint64_t)ackermann(3, n) << 24 ^ queens(all, 0, 0, 0);
}

const Kernel kernels[] = {
    {"coremark", kernel_coremark}, {"hashtable", kernel_hashtable}, {"chase", kernel_chase}, {"indirect", kernel_indirect},
    {"objects", kernel_objects}, {"recursion", kernel_recursion}, {NULL, NULL},
};
