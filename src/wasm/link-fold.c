/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-fold.c - identical functions, kept once.
 *
 * Two functions are identical when their codes are equal bytes and, call by call, they call identical functions. Taken
 * as the coarsest such relation this folds mutually recursive functions too. It is the minimisation of a deterministic
 * automaton: nodes are states, the k-th edge of a node is its transition under letter k, and the first partition is by
 * code (imports: by import). We use the algorithm of Valmari, "Fast brief practical DFA minimization" (2012): two
 * refinable partitions that split each other, blocks of states and cords of transitions; O(edges * log(edges)) whatever
 * the input is, where rounds of rehashing would take as many rounds as the longest chain of calls.
 *
 *     blocks   states that were not told apart so far
 *     cords    transitions of one letter into one block: a cord splits blocks (who has one, who has not), a split block
 *              splits cords (who leads to the one half, who to the other)
 *
 * Identity: two functions of ONE program are never folded when either is address-taken (in a table, a global, or the
 * operand of ref.func). So after a first run each block is split by rank: in every program the functions that are not
 * taken have rank 0 when there is no taken one, otherwise taken functions have ranks 0, 1, ... and the others the rank
 * after the last. Functions of different programs meet in a rank. A second run makes the partition stable again.
 *
 * I1 all members of a class have equal type, code and edge classes (checked by fold_check in debug builds).
 * I2 no class has two members of one program of which one is taken.
 * I3 classes are numbered by their lowest node: the result does not depend on values of hashes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wasm/link-int.h"

/* --- refinable partition of the numbers 0 .. count-1 --- */

typedef struct Partition {
    uint32_t count;      /* elements */
    uint32_t set_count;
    uint32_t *elements;  /* grouped by set */
    uint32_t *locations; /* element -> its place in elements */
    uint32_t *set_of;    /* element -> set */
    uint32_t *first;     /* set -> its first place, and the place after its last */
    uint32_t *past;
    uint32_t *marked;    /* set -> how many of its elements are marked: those at its front */
    uint32_t *touched;   /* sets with marked elements */
    uint32_t touched_count;
} Partition;

static int partition_init(Partition *partition, Arena *arena, uint32_t count)
{
    *partition = (Partition){.count = count};
    uint32_t **const arrays[] = {&partition->elements, &partition->locations, &partition->set_of, &partition->first,
                                 &partition->past,     &partition->marked,    &partition->touched};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        *arrays[i] = arena_new_array(arena, count, uint32_t);
        if (!*arrays[i]) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* Make sets of runs of equal keys. Pre: elements is sorted so that equal keys are neighbours. */
static void partition_group(Partition *partition, bool (*is_same)(const void *context, uint32_t a, uint32_t b), const void *context)
{
    partition->set_count = 0;
    partition->touched_count = 0;
    for (uint32_t i = 0; i < partition->count; i++) {
        const uint32_t element = partition->elements[i];
        if (i == 0 || !is_same(context, partition->elements[i - 1], element)) {
            if (i > 0) {
                partition->past[partition->set_count - 1] = i;
            }
            partition->first[partition->set_count] = i;
            partition->marked[partition->set_count] = 0;
            partition->set_count++;
        }
        partition->set_of[element] = partition->set_count - 1;
        partition->locations[element] = i;
    }
    if (partition->count > 0) {
        partition->past[partition->set_count - 1] = partition->count;
    }
}

static void partition_mark(Partition *partition, uint32_t element)
{
    const uint32_t set = partition->set_of[element], from = partition->locations[element];
    const uint32_t to = partition->first[set] + partition->marked[set];
    dbg_must(from >= to && from < partition->past[set]);
    partition->elements[from] = partition->elements[to];
    partition->locations[partition->elements[from]] = from;
    partition->elements[to] = element;
    partition->locations[element] = to;
    if (partition->marked[set]++ == 0) {
        partition->touched[partition->touched_count++] = set;
    }
}

/* Every set of which some but not all elements are marked becomes two; the smaller half gets the new number. */
static void partition_split(Partition *partition)
{
    while (partition->touched_count > 0) {
        const uint32_t set = partition->touched[--partition->touched_count];
        const uint32_t middle = partition->first[set] + partition->marked[set];
        const uint32_t added = partition->set_count;
        if (middle == partition->past[set]) {
            partition->marked[set] = 0;
            continue;
        }
        if (partition->marked[set] <= partition->past[set] - middle) {
            partition->first[added] = partition->first[set];
            partition->past[added] = partition->first[set] = middle;
        } else {
            partition->past[added] = partition->past[set];
            partition->first[added] = partition->past[set] = middle;
        }
        for (uint32_t i = partition->first[added]; i < partition->past[added]; i++) {
            partition->set_of[partition->elements[i]] = added;
        }
        partition->marked[set] = partition->marked[added] = 0;
        partition->set_count++;
    }
}

/* --- the call graph as an automaton --- */

typedef struct Fold {
    const Linker *linker;
    uint32_t state_count; /* reached nodes */
    uint32_t edge_count;
    uint32_t *nodes;      /* state -> node, ascending */
    uint32_t *states;     /* node -> state */
    uint64_t *keys;       /* state -> hash of its code; before the second run: its block << 32 | its rank */
    uint32_t *tails;      /* edge -> state it leaves */
    uint32_t *letters;    /* edge -> which one of the tail's */
    uint32_t *heads;      /* edge -> state it enters */
    uint32_t *into;       /* edges grouped by head */
    uint32_t *into_first; /* state -> its first in into; one more for the end */
    Partition blocks;
    Partition cords;
} Fold;

static const LinkFunc *state_func(const Fold *fold, uint32_t state)
{
    return &fold->linker->funcs[fold->nodes[state]];
}

static int compare_u32(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

/* Total order on what decides the first partition: by hash, then exactly. */
static int code_compare(const Fold *fold, uint32_t a, uint32_t b)
{
    if (fold->keys[a] != fold->keys[b]) {
        return fold->keys[a] < fold->keys[b] ? -1 : 1;
    }
    const LinkFunc *x = state_func(fold, a), *y = state_func(fold, b);
    if (x->import != y->import) {
        return compare_u32(x->import, y->import);
    }
    if (x->type != y->type) {
        return compare_u32(x->type, y->type);
    }
    if (x->code_size != y->code_size || x->code_size == 0) {
        return compare_u32(x->code_size, y->code_size);
    }
    const uint8_t *code = fold->linker->code.bytes;
    return memcmp(code + x->code_offset, code + y->code_offset, x->code_size);
}

static int code_sort(const void *a, const void *b, void *context)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int order = code_compare(context, x, y);
    return order != 0 ? order : compare_u32(x, y);
}

static bool code_is_same(const void *context, uint32_t a, uint32_t b)
{
    return code_compare(context, a, b) == 0;
}

static int key_sort(const void *a, const void *b, void *context)
{
    const Fold *fold = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (fold->keys[x] != fold->keys[y]) {
        return fold->keys[x] < fold->keys[y] ? -1 : 1;
    }
    return compare_u32(x, y);
}

static bool key_is_same(const void *context, uint32_t a, uint32_t b)
{
    const Fold *fold = context;
    return fold->keys[a] == fold->keys[b];
}

/* Edges grouped by letter, which is how cords start: counting sort. */
static int cords_init(Fold *fold, Arena *arena)
{
    uint32_t letter_count = 0;
    for (uint32_t i = 0; i < fold->edge_count; i++) {
        letter_count = fold->letters[i] >= letter_count ? fold->letters[i] + 1 : letter_count;
    }
    uint32_t *places = arena_new_array(arena, (size_t)letter_count + 1, uint32_t);
    if (!places) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < fold->edge_count; i++) {
        places[fold->letters[i] + 1]++;
    }
    for (uint32_t i = 0; i < letter_count; i++) {
        places[i + 1] += places[i];
    }
    for (uint32_t i = 0; i < fold->edge_count; i++) {
        fold->cords.elements[places[fold->letters[i]]++] = i;
    }
    return 0;
}

static bool letter_is_same(const void *context, uint32_t a, uint32_t b)
{
    const Fold *fold = context;
    return fold->letters[a] == fold->letters[b];
}

/* The refinement itself. Pre: blocks is a partition; cords.elements is grouped by letter. */
static void fold_refine(Fold *fold)
{
    partition_group(&fold->cords, letter_is_same, fold);
    /* Block 0 needs no turn: who leads there is who is left when all others have split. */
    uint32_t block = 1;
    for (uint32_t cord = 0; cord < fold->cords.set_count; cord++) {
        for (uint32_t i = fold->cords.first[cord]; i < fold->cords.past[cord]; i++) {
            partition_mark(&fold->blocks, fold->tails[fold->cords.elements[i]]);
        }
        partition_split(&fold->blocks);
        for (; block < fold->blocks.set_count; block++) {
            for (uint32_t i = fold->blocks.first[block]; i < fold->blocks.past[block]; i++) {
                const uint32_t state = fold->blocks.elements[i];
                for (uint32_t k = fold->into_first[state]; k < fold->into_first[state + 1]; k++) {
                    partition_mark(&fold->cords, fold->into[k]);
                }
            }
            partition_split(&fold->cords);
        }
    }
}

/* --- making it --- */

static int states_collect(Fold *fold, Arena *arena)
{
    const Linker *linker = fold->linker;
    fold->nodes = arena_new_array(arena, linker->func_count, uint32_t);
    fold->states = arena_new_array(arena, linker->func_count, uint32_t);
    fold->keys = arena_new_array(arena, linker->func_count, uint64_t);
    if (!fold->nodes || !fold->states || !fold->keys) {
        return -ENOMEM;
    }
    for (uint32_t node = 0; node < linker->func_count; node++) {
        const LinkFunc *func = &linker->funcs[node];
        fold->states[node] = LINK_NONE;
        if (!func->is_reached) {
            continue;
        }
        const uint32_t state = fold->state_count++;
        fold->states[node] = state;
        fold->nodes[state] = node;
        fold->edge_count += func->edge_count;
        fold->keys[state] = func->import != LINK_NONE
                                  ? link_hash(NULL, 0, func->import)
                                  : link_hash(linker->code.bytes + func->code_offset, func->code_size, func->type);
    }
    return 0;
}

static int edges_collect(Fold *fold, Arena *arena)
{
    fold->tails = arena_new_array(arena, fold->edge_count, uint32_t);
    fold->letters = arena_new_array(arena, fold->edge_count, uint32_t);
    fold->heads = arena_new_array(arena, fold->edge_count, uint32_t);
    fold->into = arena_new_array(arena, fold->edge_count, uint32_t);
    fold->into_first = arena_new_array(arena, (size_t)fold->state_count + 2, uint32_t);
    if (!fold->tails || !fold->letters || !fold->heads || !fold->into || !fold->into_first) {
        return -ENOMEM;
    }
    uint32_t count = 0;
    for (uint32_t state = 0; state < fold->state_count; state++) {
        const LinkFunc *func = state_func(fold, state);
        const LinkEdge *edges = link_edges(fold->linker, func);
        for (uint32_t i = 0; i < func->edge_count; i++, count++) {
            fold->tails[count] = state;
            fold->letters[count] = i;
            fold->heads[count] = fold->states[edges[i].target];
            must(fold->heads[count] != LINK_NONE);
            fold->into_first[fold->heads[count] + 2]++;
        }
    }
    for (uint32_t state = 0; state < fold->state_count; state++) {
        fold->into_first[state + 2] += fold->into_first[state + 1];
    }
    for (uint32_t i = 0; i < fold->edge_count; i++) {
        fold->into[fold->into_first[fold->heads[i] + 1]++] = i;
    }
    return 0;
}

/*
 * Add its rank to the key of each of one block's members. Pre: members are in node order, so those of a program are
 * neighbours; keys have 0 for the rank. Return: whether there is more than one rank.
 */
static bool ranks_of_block(Fold *fold, const uint32_t *members, uint32_t count)
{
    bool have_more = false;
    for (uint32_t i = 0; i < count;) {
        const uint32_t program = state_func(fold, members[i])->program;
        uint32_t taken_count = 0, end = i;
        for (; end < count && state_func(fold, members[end])->program == program; end++) {
            if (state_func(fold, members[end])->is_taken) {
                fold->keys[members[end]] += taken_count++;
            }
        }
        for (; i < end; i++) {
            if (!state_func(fold, members[i])->is_taken) {
                fold->keys[members[i]] += taken_count;
            }
            have_more |= (fold->keys[members[i]] & UINT32_MAX) > 0;
        }
    }
    return have_more;
}

/* Split blocks by rank (I2). Return: whether any was split. */
static bool ranks_apply(Fold *fold)
{
    Partition *blocks = &fold->blocks;
    bool have_more = false;
    for (uint32_t state = 0; state < fold->state_count; state++) {
        fold->keys[state] = (uint64_t)blocks->set_of[state] << 32;
    }
    qsort_r(blocks->elements, fold->state_count, sizeof(uint32_t), key_sort, fold);
    for (uint32_t i = 0, end = 0; i < fold->state_count; i = end) {
        while (end < fold->state_count && blocks->set_of[blocks->elements[end]] == blocks->set_of[blocks->elements[i]]) {
            end++;
        }
        have_more |= ranks_of_block(fold, blocks->elements + i, end - i);
    }
    qsort_r(blocks->elements, fold->state_count, sizeof(uint32_t), key_sort, fold);
    partition_group(blocks, key_is_same, fold);
    return have_more;
}

/* Number the classes by their lowest node (I3). */
static int classes_number(Fold *fold, Linker *linker)
{
    uint32_t *class_of = arena_new_array(&linker->arena, fold->blocks.set_count, uint32_t);
    linker->class_leader = arena_new_array(&linker->arena, fold->blocks.set_count, uint32_t);
    linker->class_func = arena_new_array(&linker->arena, fold->blocks.set_count, uint32_t);
    linker->class_is_shared = arena_new_array(&linker->arena, fold->blocks.set_count, bool);
    if (!class_of || !linker->class_leader || !linker->class_func || !linker->class_is_shared) {
        return -ENOMEM;
    }
    if (fold->blocks.set_count > 0) {
        memset(class_of, 0xff, fold->blocks.set_count * sizeof(uint32_t));
    }
    for (uint32_t state = 0; state < fold->state_count; state++) {
        LinkFunc *func = &linker->funcs[fold->nodes[state]];
        uint32_t *class_index = &class_of[fold->blocks.set_of[state]];
        if (*class_index == LINK_NONE) {
            *class_index = linker->class_count++;
            linker->class_leader[*class_index] = fold->nodes[state];
        }
        func->class_index = *class_index;
        linker->class_is_shared[*class_index] |= linker->funcs[linker->class_leader[*class_index]].program != func->program;
    }
    return 0;
}

/* I1 */
static bool fold_check(const Linker *linker)
{
    for (uint32_t node = 0; node < linker->func_count; node++) {
        const LinkFunc *func = &linker->funcs[node];
        if (!func->is_reached) {
            continue;
        }
        const LinkFunc *leader = &linker->funcs[linker->class_leader[func->class_index]];
        must(leader->type == func->type && leader->import == func->import && leader->code_size == func->code_size);
        must(leader->edge_count == func->edge_count);
        must(func->code_size == 0 || memcmp(linker->code.bytes + leader->code_offset, linker->code.bytes + func->code_offset,
                                            func->code_size) == 0);
        const LinkEdge *a = link_edges(linker, func), *b = link_edges(linker, leader);
        for (uint32_t i = 0; i < func->edge_count; i++) {
            must(a[i].position == b[i].position);
            must(linker->funcs[a[i].target].class_index == linker->funcs[b[i].target].class_index);
        }
    }
    return true;
}

static int fold_run(Fold *fold, Arena *arena)
{
    int r = states_collect(fold, arena);
    r = r < 0 ? r : edges_collect(fold, arena);
    r = r < 0 ? r : partition_init(&fold->blocks, arena, fold->state_count);
    r = r < 0 ? r : partition_init(&fold->cords, arena, fold->edge_count);
    r = r < 0 ? r : cords_init(fold, arena);
    if (r < 0) {
        return r;
    }
    for (uint32_t state = 0; state < fold->state_count; state++) {
        fold->blocks.elements[state] = state;
    }
    qsort_r(fold->blocks.elements, fold->state_count, sizeof(uint32_t), code_sort, fold);
    partition_group(&fold->blocks, code_is_same, fold);
    fold_refine(fold);
    if (ranks_apply(fold)) {
        fold_refine(fold);
    }
    return 0;
}

int link_fold(Linker *linker)
{
    Arena arena = ARENA_INIT(LINK_ARENA_SIZE); /* all this is needed no longer than here */
    Fold fold = {.linker = linker};
    int r = fold_run(&fold, &arena);
    r = r < 0 ? r : classes_number(&fold, linker);
    arena_deinit(&arena);
    if (r == 0) {
        dbg_must(fold_check(linker));
    }
    return r;
}
