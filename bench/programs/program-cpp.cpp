/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program-cpp.cpp - a C++ program whose errors are exceptions: JSON orders are read and checked (cpp-json), formulas are read and evaluated
 * over rows (cpp-formula). About one document in five and many rows are wrong (a throw in some hundred
 * values or nodes); the throw passes the frames of a recursive descent or
 * of a tree walk, each with something to destroy. Like programs that cannot use the standard library it has containers of its own: every
 * side then runs the same code, and only the exception runtime differs (libstdc++ natively, exception-kernels/wasm-cxa.cpp in modules).
 */

#include "kernels.h"

namespace {

struct Error {
    explicit Error(uint32_t at_) : at(at_) {}
    virtual ~Error() {}
    virtual uint32_t code() const = 0;
    uint32_t at, frames = 0;
};
struct SyntaxError : Error {
    using Error::Error;
    uint32_t code() const override { return 1; }
};
struct DepthError : SyntaxError {
    using SyntaxError::SyntaxError;
    uint32_t code() const override { return 2; }
};
struct FieldError : Error {
    using Error::Error;
    uint32_t code() const override { return 3; }
};
struct ArithmeticError : Error {
    using Error::Error;
    uint32_t code() const override { return 4; }
};

/* --- containers --- */

struct Place {
    void *at;
};

template <typename T> T &&moved(T &value) { return static_cast<T &&>(value); }

} /* namespace */

inline void *operator new(size_t, Place place) noexcept { return place.at; }

namespace {

template <typename T> class List {
public:
    List() {}
    List(List &&other) noexcept : items(other.items), count(other.count), room(other.room) { other.items = nullptr, other.count = other.room = 0; }
    List(const List &) = delete;
    List &operator=(const List &) = delete;
    ~List()
    {
        for (uint32_t i = count; i > 0; i--) {
            items[i - 1].~T();
        }
        free(items);
    }
    void push(T &&value)
    {
        if (count == room) {
            grow();
        }
        new (Place{items + count}) T(moved(value));
        count++;
    }
    uint32_t size() const { return count; }
    T &operator[](uint32_t index) { return items[index]; }
    const T &operator[](uint32_t index) const { return items[index]; }

private:
    void grow()
    {
        room = room == 0 ? 4 : room * 2;
        T *larger = static_cast<T *>(malloc(room * sizeof(T)));
        if (larger == nullptr) {
            abort();
        }
        for (uint32_t i = 0; i < count; i++) {
            new (Place{larger + i}) T(moved(items[i]));
            items[i].~T();
        }
        free(items);
        items = larger;
    }
    T *items = nullptr;
    uint32_t count = 0, room = 0;
};

template <typename T> class Box { /* owns one T, or nothing */
public:
    explicit Box(T *item_ = nullptr) : item(item_) {}
    Box(Box &&other) noexcept : item(other.item) { other.item = nullptr; }
    Box(const Box &) = delete;
    Box &operator=(Box &&other) noexcept
    {
        T *old = item;
        item = other.item;
        other.item = nullptr;
        delete old;
        return *this;
    }
    ~Box() { delete item; }
    T *operator->() const { return item; }
    T &operator*() const { return *item; }

private:
    T *item;
};

class Text { /* bytes that it owns */
public:
    Text() {}
    Text(Text &&other) noexcept : bytes(moved(other.bytes)) {}
    void add(char byte) { bytes.push(moved(byte)); }
    uint32_t size() const { return bytes.size(); }
    bool is(const char *word) const
    {
        const uint32_t length = static_cast<uint32_t>(strlen(word));
        return length == size() && (length == 0 || memcmp(&bytes[0], word, length) == 0);
    }
    uint64_t hash(uint64_t check) const
    {
        for (uint32_t i = 0; i < size(); i++) {
            check = check_next(check, static_cast<uint8_t>(bytes[i]));
        }
        return check;
    }

private:
    List<char> bytes;
};

/* --- characters to read: both languages --- */

class Reader {
public:
    Reader(const char *text_, uint32_t size_) : text(text_), size(size_) {}
    uint32_t position() const { return at; }
    char peek()
    {
        while (at < size && (text[at] == ' ' || text[at] == '\n')) {
            at++;
        }
        return at < size ? text[at] : '\0';
    }
    char take()
    {
        if (at >= size) {
            throw SyntaxError(at);
        }
        return text[at++];
    }
    bool accept(char wanted)
    {
        const bool is_there = peek() == wanted && at < size;
        at += is_there;
        return is_there;
    }
    void expect(char wanted)
    {
        if (!accept(wanted)) {
            throw SyntaxError(at);
        }
    }
    int64_t number()
    {
        const bool is_negative = accept('-');
        int64_t value = 0;
        uint32_t digits = 0;
        for (; at < size && text[at] >= '0' && text[at] <= '9'; at++, digits++) {
            value = value * 10 + (text[at] - '0');
        }
        if (digits == 0 || digits > 15) {
            throw SyntaxError(at);
        }
        return is_negative ? -value : value;
    }

private:
    const char *text;
    uint32_t size, at = 0;
};

/* --- JSON --- */

enum Kind : uint8_t { KIND_NULL, KIND_BOOL, KIND_NUMBER, KIND_TEXT, KIND_ARRAY, KIND_OBJECT };
constexpr uint32_t DEPTH_MAX = 12;

struct Value {
    explicit Value(Kind kind_, int64_t number_ = 0) : kind(kind_), number(number_) {}
    Value(Value &&other) noexcept
        : kind(other.kind), number(other.number), text(moved(other.text)), names(moved(other.names)), items(moved(other.items)) {}
    Kind kind;
    int64_t number;
    Text text;
    List<Text> names;
    List<Value> items;
};

class JsonParser {
public:
    JsonParser(const char *text, uint32_t size) : reader(text, size) {}
    Value document()
    {
        Value value = value_parse(0);
        if (reader.peek() != '\0') {
            throw SyntaxError(reader.position());
        }
        return value;
    }

private:
    Value value_parse(uint32_t depth)
    {
        if (depth > DEPTH_MAX) {
            throw DepthError(reader.position());
        }
        switch (reader.peek()) {
        case '{': return object_parse(depth);
        case '[': return array_parse(depth);
        case '"': {
            Value value(KIND_TEXT);
            string_parse(value.text);
            return value;
        }
        case 't': return word_parse("true", KIND_BOOL, 1);
        case 'f': return word_parse("false", KIND_BOOL, 0);
        case 'n': return word_parse("null", KIND_NULL, 0);
        default: return Value(KIND_NUMBER, reader.number());
        }
    }
    Value word_parse(const char *word, Kind kind, int64_t number)
    {
        for (; *word != '\0'; word++) {
            if (reader.take() != *word) {
                throw SyntaxError(reader.position());
            }
        }
        return Value(kind, number);
    }
    void string_parse(Text &text)
    {
        reader.expect('"');
        for (char byte = reader.take(); byte != '"'; byte = reader.take()) {
            if (byte == '\\') {
                byte = reader.take();
                if (byte != '"' && byte != '\\' && byte != 'n') {
                    throw SyntaxError(reader.position());
                }
                byte = byte == 'n' ? '\n' : byte;
            } else if (static_cast<uint8_t>(byte) < ' ') {
                throw SyntaxError(reader.position());
            }
            text.add(byte);
        }
    }
    Value array_parse(uint32_t depth)
    {
        Value array(KIND_ARRAY);
        reader.expect('[');
        if (reader.accept(']')) {
            return array;
        }
        do {
            array.items.push(value_parse(depth + 1));
        } while (reader.accept(','));
        reader.expect(']');
        return array;
    }
    Value object_parse(uint32_t depth)
    {
        Value object(KIND_OBJECT);
        reader.expect('{');
        if (reader.accept('}')) {
            return object;
        }
        do {
            Text name;
            reader.peek();
            string_parse(name);
            reader.expect(':');
            object.names.push(moved(name));
            object.items.push(value_parse(depth + 1));
        } while (reader.accept(','));
        reader.expect('}');
        return object;
    }
    Reader reader;
};

const Value &field(const Value &object, const char *name, Kind kind)
{
    for (uint32_t i = 0; i < object.names.size(); i++) {
        if (object.names[i].is(name)) {
            if (object.items[i].kind != kind) {
                throw FieldError(i);
            }
            return object.items[i];
        }
    }
    throw FieldError(object.names.size());
}

uint64_t line_check(const Value &line, uint64_t check)
{
    const int64_t count = field(line, "count", KIND_NUMBER).number;
    if (count <= 0) {
        throw FieldError(100);
    }
    return check_next(field(line, "name", KIND_TEXT).text.hash(check), static_cast<uint64_t>(count * field(line, "price", KIND_NUMBER).number));
}

uint64_t order_check(const Value &order)
{
    const Value &lines = field(order, "lines", KIND_ARRAY);
    uint64_t check = static_cast<uint64_t>(field(order, "id", KIND_NUMBER).number);
    for (uint32_t i = 0; i < lines.items.size(); i++) {
        check = line_check(lines.items[i], check);
    }
    return check;
}

/* --- texts to read --- */

class Writer { /* into a buffer of its own; what does not fit any more is a mistake of this program */
public:
    void add(char byte)
    {
        if (size == sizeof(bytes)) {
            abort();
        }
        bytes[size++] = byte;
    }
    void add(const char *word)
    {
        for (; *word != '\0'; word++) {
            add(*word);
        }
    }
    void add(uint32_t number)
    {
        if (number >= 10) {
            add(number / 10);
        }
        add(static_cast<char>('0' + number % 10));
    }
    char bytes[4096];
    uint32_t size = 0;
};

void order_write(Writer &writer, uint32_t id, uint32_t *seed)
{
    static const char *const names[] = {"bolt M8", "nut", "washer \\\"A\\\"", "long screw\\n", "plate"};
    writer.add("{\"id\": "), writer.add(id), writer.add(", \"paid\": "), writer.add(random_next(seed) % 2 == 0 ? "true" : "false");
    writer.add(", \"lines\": [");
    const uint32_t lines = 4 + random_next(seed) % 12;
    for (uint32_t i = 0; i < lines; i++) {
        writer.add(i == 0 ? "" : ",\n  "), writer.add("{\"name\": \""), writer.add(names[random_next(seed) % 5]);
        writer.add("\", \"count\": "), writer.add(random_next(seed) % 150), writer.add(", \"price\": "), writer.add(random_next(seed) % 100000);
        writer.add(", \"tags\": [[1, null], [], {\"a\": \"b\"}]}");
    }
    writer.add("]}");
}

uint64_t run_json()
{
    uint32_t seed = 77;
    uint64_t check = 1;
    for (uint32_t id = 1; id <= 4000; id++) {
        Writer writer;
        order_write(writer, id, &seed);
        const uint32_t damage = random_next(&seed);
        if (damage % 8 == 0) { /* one byte in the wrong place */
            writer.bytes[damage / 8 % writer.size] = "]}\"x["[damage % 5];
        } else if (damage % 64 == 1) {
            writer.size = 0, writer.add("[[[[[[[[[[[[[[1]]]]]]]]]]]]]]");
        }
        try {
            const Value order = JsonParser(writer.bytes, writer.size).document();
            check = check_next(check, order_check(order));
        } catch (const SyntaxError &error) {
            check = check_next(check, error.code() * 4096 + error.at);
        } catch (const Error &error) {
            check = check_next(check, error.code() * 4096 + error.at);
        }
    }
    return check;
}

/* --- formulas --- */

struct Node {
    Node(char kind_, int64_t number_, uint32_t at_) : kind(kind_), number(number_), at(at_) {}
    char kind; /* n: number, v: column, ?: or-else(a, b), and + - * / */
    int64_t number;
    uint32_t at;
    Box<Node> left, right;
};

class FormulaParser { /* sum = product {(+|-) product}; product = factor {(*|/) factor}; factor = number | column | (sum) | ?(sum, sum) */
public:
    FormulaParser(const char *text, uint32_t size) : reader(text, size) {}
    Box<Node> formula()
    {
        Box<Node> node = chain_parse(0);
        if (reader.peek() != '\0') {
            throw SyntaxError(reader.position());
        }
        return node;
    }

private:
    Box<Node> pair(char kind, Box<Node> &left, Box<Node> right)
    {
        Box<Node> node(new Node(kind, 0, reader.position()));
        node->left = moved(left);
        node->right = moved(right);
        return node;
    }
    Box<Node> chain_parse(uint32_t level)
    {
        static const char operators[2][2] = {{'+', '-'}, {'*', '/'}};
        if (level == 2) {
            return factor_parse();
        }
        Box<Node> node = chain_parse(level + 1);
        for (char next = reader.peek(); next == operators[level][0] || next == operators[level][1]; next = reader.peek()) {
            reader.take();
            node = pair(next, node, chain_parse(level + 1));
        }
        return node;
    }
    Box<Node> factor_parse()
    {
        const char next = reader.peek();
        if (next >= 'a' && next <= 'h') {
            reader.take();
            return Box<Node>(new Node('v', next - 'a', reader.position()));
        }
        if (reader.accept('(')) {
            Box<Node> node = chain_parse(0);
            reader.expect(')');
            return node;
        }
        if (reader.accept('?')) {
            reader.expect('(');
            Box<Node> node = chain_parse(0);
            reader.expect(',');
            node = pair('?', node, chain_parse(0));
            reader.expect(')');
            return node;
        }
        return Box<Node>(new Node('n', reader.number(), reader.position()));
    }
    Reader reader;
};

uint32_t depth_now; /* kept right by Depth, also past a throw */

struct Depth {
    Depth() { depth_now++; }
    ~Depth() { depth_now--; }
};

int64_t evaluate(const Node &node, const int64_t *row);

int64_t divide(const Node &node, const int64_t *row)
{
    const int64_t divisor = evaluate(*node.right, row);
    if (divisor == 0) {
        throw ArithmeticError(node.at);
    }
    return evaluate(*node.left, row) / divisor;
}

int64_t evaluate(const Node &node, const int64_t *row)
{
    Depth depth;
    switch (node.kind) {
    case 'n': return node.number;
    case 'v': return row[node.number];
    case '+': return (evaluate(*node.left, row) + evaluate(*node.right, row)) % 1000003;
    case '-': return (evaluate(*node.left, row) - evaluate(*node.right, row)) % 1000003;
    case '*': return evaluate(*node.left, row) * evaluate(*node.right, row) % 1000003;
    case '/':
        try {
            return divide(node, row);
        } catch (Error &error) { /* says how it came here and passes it on */
            error.frames++;
            throw;
        }
    default:
        try {
            return evaluate(*node.left, row);
        } catch (const ArithmeticError &error) {
            return evaluate(*node.right, row) + error.frames;
        }
    }
}

void formula_write(Writer &writer, uint32_t depth, uint32_t *seed)
{
    const uint32_t draw = random_next(seed) % 16;
    if (depth == 0 || draw == 0) {
        if (draw % 2 == 0) {
            writer.add(random_next(seed) % 1000);
        } else {
            writer.add(static_cast<char>('a' + random_next(seed) % 8));
        }
        return;
    }
    writer.add(draw == 1 ? "?(" : "("), formula_write(writer, depth - 1, seed);
    writer.add(draw == 1 ? ',' : "++--****-+++-*//"[draw]), formula_write(writer, depth - 1, seed);
    writer.add(')');
}

uint64_t formula_run(const Node &formula, uint32_t *seed)
{
    uint64_t check = 3;
    for (uint32_t i = 0; i < 40; i++) {
        int64_t row[8];
        for (int64_t &cell : row) {
            cell = random_next(seed) % 60;
        }
        try {
            check = check_next(check, static_cast<uint64_t>(evaluate(formula, row)));
        } catch (const Error &error) {
            check = check_next(check, (error.code() * 4096 + error.at) * 16 + error.frames);
        }
    }
    return check;
}

uint64_t run_formula()
{
    uint32_t seed = 99;
    uint64_t check = 1;
    for (uint32_t i = 0; i < 600; i++) {
        Writer writer;
        formula_write(writer, 7, &seed);
        if (random_next(&seed) % 8 == 0) {
            writer.bytes[random_next(&seed) % writer.size] = '!';
        }
        try {
            const Box<Node> formula = FormulaParser(writer.bytes, writer.size).formula();
            check = check_next(check, formula_run(*formula, &seed));
        } catch (const SyntaxError &error) {
            check = check_next(check, error.code() * 4096 + error.at);
        }
    }
    return check + depth_now; /* 0 when every frame was left as it was entered */
}

} /* namespace */

const Kernel kernels[] = {
    {"cpp-json", run_json}, {"cpp-formula", run_formula}, {nullptr, nullptr},
};
