/* Uses everything in vmtrampoline.h, and says what it got. tests/c.rs compiles it as C and
 * as C++, runs it (under valgrind too) and compares what it prints. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "vmtrampoline.h"

static const char *code_name(void)
{
    switch (vmt_error_code()) {
#define CODE(name) case VMT_ERROR_##name: return #name;
    CODE(NONE)
    CODE(NULL)
    CODE(ARGUMENT)
    CODE(SYNTAX)
    CODE(UNKNOWN_TYPE)
    CODE(TOO_MANY_PARAMS)
    CODE(TOO_MANY_RESULTS)
    CODE(RESULTS_NOT_IN_ABI)
    CODE(TYPE_NOT_IN_ABI)
    CODE(VARIADIC_NOT_IN_ABI)
    CODE(VARIADIC_CALLBACK)
    CODE(ALIGNMENT_NOT_IN_ABI)
    CODE(UNPROMOTED)
    CODE(TOO_LARGE)
    CODE(TOO_DEEP)
    CODE(ARRAY_BY_VALUE)
    CODE(NOT_A_STRUCTURE)
    CODE(BAD_LENGTH)
    CODE(BAD_ALIGNMENT)
    CODE(TYPE_NOT_IN_SLOT)
    CODE(UNSUPPORTED_TARGET)
    CODE(POOL_EXHAUSTED)
    CODE(CALLBACKS_EXHAUSTED)
    CODE(TOO_FEW_SLOTS)
    CODE(LANDING_IN_USE)
    CODE(OTHER)
#undef CODE
    }
    return "?";
}

/* What happened, and the error if it did not. */
static void say(const char *what, int happened)
{
    printf("%s", what);
    if (!happened)
        printf(": %s: %s", code_name(), vmt_error());
    if (!happened && vmt_error_position() != VMT_NONE)
        printf(" (%d)", (int)vmt_error_position());
    printf("\n");
}

static vmt_signature *parse(const char *text)
{
    vmt_signature *signature = vmt_signature_parse(text);
    if (!signature)
        say(text, 0);
    return signature;
}

/* The trampoline of a text, which is right. */
static vmt_trampoline *make(const char *text, size_t slot_size)
{
    vmt_signature *signature = parse(text);
    vmt_trampoline *trampoline = vmt_trampoline_new(signature, slot_size);
    vmt_signature_free(signature);
    if (!trampoline) {
        say(text, 0);
        exit(1);
    }
    return trampoline;
}

/* ---- Types and signatures ---- */

/* Kinds of types, and what they are called. */
static const struct kind {
    enum vmt_kind kind;
    const char *name;
} kinds[] = {
    { VMT_I32, "i32" }, { VMT_I64, "i64" }, { VMT_F32, "f32" }, { VMT_F64, "f64" },
    { VMT_V128, "v128" }, { VMT_FUNCREF, "funcref" }, { VMT_EXTERNREF, "externref" },
    { VMT_PTR, "ptr" }, { VMT_BOOL, "bool" }, { VMT_I8, "i8" }, { VMT_U8, "u8" },
    { VMT_I16, "i16" }, { VMT_U16, "u16" }, { VMT_U32, "u32" }, { VMT_U64, "u64" },
    { VMT_I128, "i128" }, { VMT_U128, "u128" }, { VMT_LONGDOUBLE, "longdouble" },
    { VMT_C32, "c32" }, { VMT_C64, "c64" }, { VMT_CLONGDOUBLE, "clongdouble" },
    { VMT_CHAR, "char" }, { VMT_LONG, "long" }, { VMT_ULONG, "ulong" }, { VMT_SIZE, "size_t" },
    { VMT_SSIZE, "ssize_t" }, { VMT_WCHAR, "wchar_t" }
};

static const size_t kinds_count = sizeof kinds / sizeof *kinds;

static const char *kind_name(const vmt_type *type)
{
    int kind = vmt_type_kind(type);
    size_t i;
    for (i = 0; i < kinds_count; i++)
        if ((int)kinds[i].kind == kind)
            return kinds[i].name;
    return kind == VMT_STRUCTURE ? "structure"
         : kind == VMT_UNION     ? "union"
         : kind == VMT_ARRAY     ? "array"
                                 : "none";
}

static void print_type(const vmt_type *type)
{
    char text[64];
    size_t i, length = vmt_type_text(type, text, sizeof text);
    printf("%s (%d): %s, size %d, alignment %d, fields", text, (int)length, kind_name(type),
           (int)vmt_type_size(type), (int)vmt_type_alignment(type));
    for (i = 0; i < vmt_type_fields(type); i++)
        printf(" %d:%s", (int)vmt_type_offset(type, i), kind_name(vmt_type_field(type, i)));
    printf("\n");
}

struct record {
    char tag;
    double values[3];
    union {
        short small;
        float number;
    } either;
};

static void types(void)
{
    size_t i, right = 0;
    vmt_type *character, *number, *array, *small, *either, *record, *packed, *aligned;
    const vmt_type *fields[3];
    for (i = 0; i < kinds_count; i++) {
        char text[16];
        vmt_type *type = vmt_type_parse(kinds[i].name);
        vmt_type_text(type, text, sizeof text);
        right += vmt_type_kind(type) == (int)kinds[i].kind && strcmp(text, kinds[i].name) == 0;
        vmt_type_free(type);
    }
    printf("scalars: %d of %d\n", (int)right, (int)kinds_count);

    fields[0] = small = vmt_type_parse("short");
    fields[1] = number = vmt_type_parse("float");
    either = vmt_type_union(fields, 2);
    fields[0] = character = vmt_type_parse("char");
    vmt_type_free(number);
    number = vmt_type_parse("double");
    fields[1] = array = vmt_type_array(number, 3);
    fields[2] = either;
    record = vmt_type_structure(fields, 3);
    packed = vmt_type_packed(record);
    aligned = vmt_type_aligned(packed, 64);
    print_type(record);
    printf("in C: size %d, fields 0 %d %d\n", (int)sizeof(struct record),
           (int)offsetof(struct record, values), (int)offsetof(struct record, either));
    print_type(packed);
    print_type(aligned);
    print_type(array);
    print_type(either);
    vmt_type_free(small);
    vmt_type_free(number);
    vmt_type_free(either);
    vmt_type_free(character);
    vmt_type_free(array);
    vmt_type_free(packed);
    vmt_type_free(aligned);
    /* What it is made of has gone. */
    print_type(vmt_type_field(vmt_type_field(record, 1), 2));
    vmt_type_free(record);
    record = vmt_type_structure(NULL, 0);
    print_type(record);
    vmt_type_free(record);
}

static void print_signature(const vmt_signature *signature)
{
    char text[64], cut[8];
    size_t length = vmt_signature_text(signature, text, sizeof text);
    printf("%s (%d): %d params, %d results, %d named\n", text, (int)length,
           (int)vmt_signature_params(signature), (int)vmt_signature_results(signature),
           (int)vmt_signature_named(signature));
    length = vmt_signature_text(signature, cut, sizeof cut);
    printf("%s (%d, %d)\n", cut, (int)length, (int)vmt_signature_text(signature, NULL, 0));
}

static void signatures(void)
{
    static const char where[] = "x86_64-sysv-c";
    vmt_signature *parsed = parse("(ptr,  {int, double}, ...  double) -> long"), *made;
    const vmt_type *params[3], *result;
    char text[1000];
    size_t i, length;
    print_signature(parsed);
    for (i = 0; i < 3; i++)
        print_type(params[i] = vmt_signature_param(parsed, i));
    print_type(result = vmt_signature_result(parsed, 0));
    made = vmt_signature_new(params, 3, 2, &result, 1);
    print_signature(made);
    vmt_signature_free(parsed);
    length = vmt_signature_layout(made, where, text, sizeof text);
    printf("%s%d, %d\n", text, length == strlen(text),
           length == vmt_signature_layout(made, where, NULL, 0));
    vmt_signature_free(made);

    for (i = 0; vmt_convention(i, text, sizeof text) != VMT_NONE; i++)
        printf("%s ", text);
    say("conventions", 0);

    made = vmt_signature_new(NULL, 0, VMT_NONE, NULL, 0);
    print_signature(made);
    say("here", vmt_signature_layout(made, NULL, text, sizeof text) == strlen(text));
    vmt_signature_free(made);
}

/* ---- Slots ---- */

static void values(void)
{
    static const signed char small = -3;
    static const float number = 2.5;
    static const struct record record = { 'r', { 1, 2, 3 }, { 7 } };
    static const unsigned char one[16] = { 1 };
    vmt_slot slots[3];
    struct record back;
    signed char small_back;
    vmt_type *type;

    memset(slots, 0xa5, sizeof slots);
    type = vmt_type_parse("i8");
    say("write", vmt_slot_write(slots, sizeof *slots, type, &small));
    say("read", vmt_slot_read(slots, 8, type, &small_back));
    printf("%x, %d\n", (unsigned)slots->u64, small_back);
    say("write", vmt_slot_write(slots, 7, type, &small));
    say("read", vmt_slot_read(slots, 7, type, &small_back));
    say("write", vmt_slot_write(NULL, 8, type, &small));
    say("write", vmt_slot_write(slots, 8, type, NULL));
    vmt_type_free(type);

    type = vmt_type_parse("float");
    vmt_slot_write(slots, sizeof *slots, type, &number);
    printf("%g\n", slots->f32);
    vmt_type_free(type);

    type = vmt_type_parse("v128");
    vmt_slot_write(slots, sizeof *slots, type, one);
    printf("%d\n", (int)slots->u64);
    vmt_type_free(type);

    type = vmt_type_parse("{char, [double; 3], union {short, float}}");
    say("write", vmt_slot_write(slots, sizeof slots, type, &record));
    memset(&back, 0, sizeof back);
    say("read", vmt_slot_read(slots, sizeof slots, type, &back));
    printf("%c %g %d\n", back.tag, back.values[2], back.either.small);
    say("read", vmt_slot_read(slots, sizeof back - 1, type, &back));
    vmt_type_free(type);

    type = vmt_type_parse("{}");
    say("nothing", vmt_slot_write(NULL, 0, type, NULL));
    vmt_type_free(type);
}

/* ---- Calls ---- */

/* Tells its arguments apart, those on the stack too. */
static int64_t mixed(int32_t a, double b, int64_t c, float d, int64_t e, int64_t f, int64_t g,
                     int64_t h, int32_t i)
{
    return a + 10 * (int64_t)b + 100 * c + 1000 * (int64_t)d + 10000 * (e + f + g + h) + i;
}

static double power(double x, double y)
{
    return pow(x, y);
}

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void sixteen_bytes(void)
{
    vmt_trampoline *trampoline = make("(f64, f64) -> f64", sizeof(vmt_slot));
    vmt_slot slots[2];
    slots[0].f64 = 2;
    slots[1].f64 = 10;
    say("pow", vmt_call(trampoline, (vmt_target)power, slots, 2));
    printf("%g\n", slots[0].f64);
    vmt_trampoline_free(trampoline);
}

/* An interpreter's stack of 8-byte slots: a block of just this size. */
static void eight_bytes(void)
{
    static const char text[] = "(i32, f64, i64, f32, i64, i64, i64, i64, i32) -> i64";
    vmt_trampoline *trampoline = make(text, 8);
    size_t i, count = vmt_trampoline_slots(trampoline);
    uint64_t *slots = (uint64_t *)malloc(count * sizeof *slots);
    double two = 2;
    float four = 4;
    int32_t one = 1;
    for (i = 1; i < count; i++)
        slots[i] = 1;
    /* Four bytes do; the other four are not written. */
    memcpy(&slots[0], &one, sizeof one);
    memcpy(&slots[1], &two, sizeof two);
    slots[2] = 3;
    memcpy(&slots[3], &four, sizeof four);
    slots[8] = 1000000;
    say("mixed", vmt_call(trampoline, (vmt_target)mixed, slots, count));
    printf("%d slots, %ld\n", (int)count, (long)slots[0]);
    free(slots);
    vmt_trampoline_free(trampoline);
}

static void a_pointer(void)
{
    vmt_trampoline *trampoline = make("(ptr, size_t, size_t, ptr)", 8);
    int list[] = { 3, 1, 2 };
    uint64_t slots[4];
    slots[0] = (uintptr_t)list;
    slots[1] = 3;
    slots[2] = sizeof *list;
    slots[3] = (uintptr_t)compare;
    say("qsort", vmt_call(trampoline, (vmt_target)qsort, slots, 4));
    printf("%d %d %d\n", list[0], list[1], list[2]);
    vmt_trampoline_free(trampoline);
}

/* 24 bytes: on most machines in memory, both ways. */
struct shape {
    double size;
    int32_t corners[3];
};

static struct shape scale(int8_t tag, struct shape shape, double by)
{
    shape.size *= by;
    shape.corners[0] += tag;
    return shape;
}

static void print_signature_once(vmt_signature *signature)
{
    char text[64];
    vmt_signature_text(signature, text, sizeof text);
    printf("%s\n", text);
    vmt_signature_free(signature);
}

static void structures(size_t slot_size)
{
    static const char text[] = "(i8, {double, [int; 3]}, double) -> {double, [int; 3]}";
    vmt_trampoline *trampoline = make(text, slot_size);
    size_t count = vmt_trampoline_slots(trampoline), i;
    unsigned char *slots = (unsigned char *)malloc(count * slot_size);
    struct shape shape = { 2.5, { 1, 2, 3 } };
    div_t (*divide)(int, int) = div, result;
    print_signature_once(vmt_trampoline_signature(trampoline));
    printf("arguments");
    for (i = 0; i <= 3; i++)
        printf(" %d", (int)vmt_trampoline_argument(trampoline, i));
    printf("\n");
    slots[0] = (unsigned char)-3; /* one byte does; the other seven are not written */
    memcpy(slots + vmt_trampoline_argument(trampoline, 1) * slot_size, &shape, sizeof shape);
    memcpy(slots + vmt_trampoline_argument(trampoline, 2) * slot_size, &shape.size, 8);
    say("scale", vmt_call(trampoline, (vmt_target)scale, slots, count));
    memcpy(&shape, slots, sizeof shape);
    printf("%g, %d %d %d\n", shape.size, (int)shape.corners[0], (int)shape.corners[1],
           (int)shape.corners[2]);
    printf("%d\n", vmt_call(trampoline, (vmt_target)scale, slots, count - 1));
    free(slots);
    vmt_trampoline_free(trampoline);

    /* 8 bytes, in a register on most machines. */
    trampoline = make("(int, int) -> {int, int}", slot_size);
    count = vmt_trampoline_slots(trampoline);
    slots = (unsigned char *)calloc(count, slot_size);
    slots[0] = 17;
    slots[slot_size] = 5;
    say("div", vmt_call(trampoline, (vmt_target)divide, slots, count));
    memcpy(&result, slots, sizeof result);
    printf("%d %d\n", result.quot, result.rem);
    free(slots);
    vmt_trampoline_free(trampoline);
}

static void variadic(void)
{
    vmt_trampoline *trampoline = make("(ptr, size_t, ptr, ...int, double, ptr) -> int", 16);
    size_t count = vmt_trampoline_slots(trampoline);
    vmt_slot *slots = (vmt_slot *)calloc(count, sizeof *slots);
    char text[32];
    slots[0].ptr = text;
    slots[1].u64 = sizeof text;
    slots[2].ptr = (void *)"%d %.2f %s";
    slots[3].i32 = 42;
    slots[4].f64 = 2.5;
    slots[5].ptr = (void *)"text";
    say("snprintf", vmt_call(trampoline, (vmt_target)snprintf, slots, count));
    printf("%d, %s\n", (int)slots[0].i32, text);
    free(slots);
    vmt_trampoline_free(trampoline);
}

static long double twice(long double x, int times)
{
    while (times-- > 0)
        x *= 2;
    return x;
}

static void long_double(size_t slot_size)
{
    vmt_trampoline *trampoline = make("(longdouble, int) -> longdouble", slot_size);
    size_t count = vmt_trampoline_slots(trampoline);
    unsigned char *slots = (unsigned char *)calloc(count, slot_size);
    long double x = 1.25L;
    memcpy(slots, &x, sizeof x);
    slots[vmt_trampoline_argument(trampoline, 1) * slot_size] = 3;
    say("long double", vmt_call(trampoline, (vmt_target)twice, slots, count));
    memcpy(&x, slots, sizeof x);
    printf("%Lg\n", x);
    free(slots);
    vmt_trampoline_free(trampoline);
}

/* ---- The VM convention: two contexts first; results after the first by a pointer ---- */

struct rest {
    int32_t remainder;
    double quotient;
};

static int32_t divide(int *callee, int *caller, int32_t n, int32_t d, struct rest *rest)
{
    ++*callee;
    *caller += 2;
    rest->remainder = n % d;
    rest->quotient = (double)n / d;
    return n / d;
}

static void vm_convention(size_t slot_size)
{
    vmt_signature *signature = parse("(i32, i32) -> (i32, i32, f64)");
    vmt_vm_trampoline *trampoline = vmt_vm_trampoline_new(signature, slot_size);
    size_t words = slot_size / sizeof(uint64_t), count = vmt_vm_trampoline_slots(trampoline);
    uint64_t *slots = (uint64_t *)malloc(count * slot_size);
    int callee = 0, caller = 0;
    double quotient;
    print_signature_once(vmt_vm_trampoline_signature(trampoline));
    slots[0] = (uint32_t)-17;
    slots[words * vmt_vm_trampoline_argument(trampoline, 1)] = 5;
    say("divide", vmt_vm_call(trampoline, &callee, &caller, (vmt_target)divide, slots, count));
    memcpy(&quotient, &slots[2 * words], sizeof quotient);
    printf("contexts %d %d, %d, %d, %g\n", callee, caller, (int32_t)slots[0],
           (int32_t)slots[words], quotient);
    say("divide", vmt_vm_call(trampoline, &callee, &caller, (vmt_target)divide, slots, 2));
    free(slots);
    vmt_vm_trampoline_free(trampoline);
    vmt_signature_free(signature);
}

static void pointers(void)
{
    vmt_signature *signature = parse("(i32, i32) -> (i32, i32, f64)"), *other = parse("(f64)");
    vmt_vm_trampoline *trampoline = vmt_vm_trampoline_new(signature, 16);
    vmt_vm_trampoline *small = vmt_vm_trampoline_new(signature, 8);
    vmt_vm_trampoline *others = vmt_vm_trampoline_new(other, 16);
    size_t all = vmt_pool_left(NULL);
    vmt_pool *pool = vmt_pool_reserve(1);
    vmt_vm_pointer pointer = vmt_vm_trampoline_pointer(trampoline, pool);
    vmt_slot slots[3];
    int callee = 0, caller = 0;
    say("pointer", pointer != NULL);
    printf("%d, %d, %d\n", (int)(all - vmt_pool_left(NULL)), (int)vmt_pool_left(pool),
           pointer == vmt_vm_trampoline_pointer(trampoline, NULL));
    say("others", vmt_vm_trampoline_pointer(others, pool) != NULL);
    say("small", vmt_vm_trampoline_pointer(small, pool) != NULL);
    vmt_pool_free(pool);
    vmt_vm_trampoline_free(trampoline);
    vmt_vm_trampoline_free(small);
    vmt_vm_trampoline_free(others);
    vmt_signature_free(signature);
    vmt_signature_free(other);
    slots[0].i32 = 17;
    slots[1].i32 = 5;
    pointer(&callee, &caller, (vmt_target)divide, slots);
    printf("%d %d %g\n", (int)slots[0].i32, (int)slots[1].i32, slots[2].f64);

    pool = vmt_pool_reserve(2);
    printf("%d", (int)(all - vmt_pool_left(NULL)));
    vmt_pool_free(pool);
    printf(" %d\n", (int)(all - vmt_pool_left(NULL)));
    say("reserve", vmt_pool_reserve(1000000) != NULL);
}

/* ---- To be called ---- */

/* A comparison by a callback: in which direction, and how often. */
struct order {
    int sign, calls;
};

static void by_order(void *data, vmt_slot *slots, size_t count)
{
    struct order *order = (struct order *)data;
    order->calls += count == 2;
    slots[0].i32 = order->sign * compare(slots[0].ptr, slots[1].ptr);
}

/* The eight bytes of each argument can be looked at. */
static void sum(void *data, vmt_slot *slots, size_t count)
{
    double total = *(double *)data + slots[0].i32 + slots[1].f64 + slots[2].f32;
    size_t i;
    for (i = 0; i < count * sizeof *slots; i++)
        total += i % sizeof *slots < 8 && ((unsigned char *)slots)[i] == 0xff;
    slots[0].f64 = total;
}

static void callbacks(void)
{
    struct order descending = { -1, 0 };
    double start = 0.5;
    int list[] = { 3, 1, 2 };
    vmt_signature *signature = parse("(ptr, ptr) -> int");
    vmt_callback *callback = vmt_callback_new(signature, by_order, &descending);
    vmt_signature_free(signature);
    qsort(list, 3, sizeof *list,
          (int (*)(const void *, const void *))vmt_callback_code(callback));
    printf("%d %d %d, %d\n", list[0], list[1], list[2], descending.calls > 1);
    vmt_callback_free(callback);

    signature = parse("(i32, f64, f32) -> f64");
    callback = vmt_callback_new(signature, sum, &start);
    printf("%g\n", ((double (*)(int, double, float))vmt_callback_code(callback))(-1, 40, 2));
    vmt_callback_free(callback);
    vmt_signature_free(signature);
}

static void scaled(void *data, vmt_slot *slots, size_t count)
{
    const size_t *arguments = (size_t *)data;
    struct shape shape;
    memcpy(&shape, slots + arguments[1], sizeof shape);
    shape = scale(slots[0].i8, shape, slots[arguments[2]].f64);
    memcpy(slots, &shape, sizeof shape);
    (void)count;
}

static void structure_callback(void)
{
    vmt_signature *signature = parse("(i8, {double, [int; 3]}, double) -> {double, [int; 3]}");
    size_t arguments[4], i;
    vmt_callback *callback = vmt_callback_new(signature, scaled, arguments);
    struct shape shape = { 2.5, { 1, 2, 3 } };
    for (i = 0; i < 4; i++)
        arguments[i] = vmt_callback_argument(signature, i);
    if (callback)
        shape = ((struct shape (*)(int8_t, struct shape, double))vmt_callback_code(callback))(
            -3, shape, 2.5);
    printf("%d %d %d %d: %g, %d\n", (int)arguments[0], (int)arguments[1], (int)arguments[2],
           (int)arguments[3], shape.size, (int)shape.corners[0]);
    say("argument", vmt_callback_argument(signature, 4) != VMT_NONE);
    vmt_callback_free(callback);
    vmt_signature_free(signature);
}

static void both(void *data, void *caller, vmt_slot *slots, size_t count)
{
    int32_t a = slots[0].i32, b = slots[1].i32;
    ++*(int *)data;
    *(int *)caller += (int)count;
    slots[0].i32 = a / b;
    slots[1].i32 = a % b;
}

static void hosts(void)
{
    vmt_signature *signature = parse("(i32, i32) -> (i32, i32)");
    vmt_vm_trampoline *trampoline = vmt_vm_trampoline_new(signature, 16);
    int calls = 0, caller = 0;
    vmt_host *host = vmt_host_new(signature, both, &calls);
    vmt_slot slots[2];
    slots[0].i32 = 17;
    slots[1].i32 = 5;
    say("host", vmt_vm_call(trampoline, vmt_host_context(host), &caller, vmt_host_code(host),
                            slots, 2));
    printf("%d %d, %d %d\n", (int)slots[0].i32, (int)slots[1].i32, calls, caller);
    vmt_host_free(host);
    vmt_vm_trampoline_free(trampoline);
    vmt_signature_free(signature);
}

/* ---- Ways to leave a call ---- */

static jmp_buf handler;

static void leave(int32_t code)
{
    longjmp(handler, code);
}

static void leaving(void)
{
    vmt_trampoline *trampoline = make("(i32)", 8);
    uint64_t slot = 7;
    int code = setjmp(handler);
    if (code == 0)
        vmt_call(trampoline, (vmt_target)leave, &slot, 1);
    printf("longjmp: %d\n", code);
    vmt_trampoline_free(trampoline);
}

/* The landing of the call that is running. */
static vmt_landing *landing;

static void is_left(void)
{
    vmt_leave(landing, 42);
}

static int32_t unless_negative(int32_t number)
{
    if (number < 0)
        is_left();
    return number + 1;
}

static void leaving_callback(void *data, vmt_slot *slots, size_t count)
{
    (void)count;
    vmt_leave((vmt_landing *)data, (size_t)slots[0].u64);
}

static void leaving_host(void *data, void *caller, vmt_slot *slots, size_t count)
{
    (void)caller;
    leaving_callback(data, slots, count);
}

static void calls_with_ten(vmt_target code)
{
    ((void (*)(int32_t))code)(10);
}

/* Has the kernel go on where the call is left. */
static void trap(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = (ucontext_t *)context;
    uintptr_t pc, sp;
    (void)info;
    if (!vmt_landing_destination(landing, (size_t)signal, &pc, &sp))
        abort();
#if defined __x86_64__
    interrupted->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
    interrupted->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
#elif defined __aarch64__
    interrupted->uc_mcontext.pc = pc;
    interrupted->uc_mcontext.sp = sp;
#else
#error "where the registers are"
#endif
}

static void traps(void)
{
    __builtin_trap();
}

/* A call that uses the landing of the one around it. */
static void uses_it_too(void)
{
    vmt_trampoline *inner = make("()", 8);
    say("in use", vmt_call_leavable(inner, is_left, NULL, 0, landing, NULL));
    vmt_trampoline_free(inner);
}

static void calls_that_are_left(size_t slot_size)
{
    vmt_trampoline *trampoline = make("(i32) -> i32", slot_size), *outer = make("(ptr)", slot_size);
    vmt_trampoline *nothing = make("()", slot_size);
    vmt_signature *signature = parse("(i32)");
    vmt_vm_trampoline *vm = vmt_vm_trampoline_new(signature, slot_size);
    vmt_callback *callback;
    vmt_host *host;
    struct sigaction action, before;
    uint64_t slots[2];
    uintptr_t pc, sp;
    size_t word = 0;
    int i;
    landing = vmt_landing_new();
    callback = vmt_callback_new(signature, leaving_callback, landing);
    host = vmt_host_new(signature, leaving_host, landing);
    for (i = 1; i >= -1; i -= 2) {
        slots[0] = (uint32_t)i;
        printf("leavable: %d, ", vmt_call_leavable(trampoline, (vmt_target)unless_negative, slots,
                                                   1, landing, &word));
        printf("%d, %d\n", (int)word, (int)(int32_t)slots[0]);
    }
    slots[0] = (uintptr_t)vmt_callback_code(callback);
    printf("by a callback: %d, ", vmt_call_leavable(outer, (vmt_target)calls_with_ten, slots, 1,
                                                    landing, &word));
    printf("%d\n", (int)word);
    slots[0] = 11;
    printf("by a host: %d, ",
           vmt_vm_call_leavable(vm, vmt_host_context(host), NULL, vmt_host_code(host), slots, 1,
                                landing, &word));
    printf("%d\n", (int)word);
    printf("without a word: %d\n", vmt_call_leavable(nothing, is_left, NULL, 0, landing, NULL));

    memset(&action, 0, sizeof action);
    action.sa_sigaction = trap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, &before);
    for (i = 0; i < 2; i++) {
        word = 0;
        printf("by a trap: %d, ", vmt_call_leavable(nothing, traps, NULL, 0, landing, &word));
        printf("%d\n", word == SIGILL);
    }
    sigaction(SIGILL, &before, NULL);

    printf("%d\n", vmt_call_leavable(nothing, uses_it_too, NULL, 0, landing, NULL));
    say("few", vmt_call_leavable(trampoline, is_left, slots, 0, landing, NULL));
    say("few", vmt_vm_call_leavable(vm, NULL, NULL, is_left, slots, 0, landing, NULL));
    say("no target", vmt_call_leavable(nothing, NULL, NULL, 0, landing, NULL));
    printf("no call: %d\n", vmt_landing_destination(landing, 1, &pc, &sp));
    vmt_landing_free(landing);
    vmt_callback_free(callback);
    vmt_host_free(host);
    vmt_trampoline_free(trampoline);
    vmt_trampoline_free(outer);
    vmt_trampoline_free(nothing);
    vmt_vm_trampoline_free(vm);
    vmt_signature_free(signature);
}

/* A callback of this thread, and another one of its signature. */
static void local_callback(void)
{
    vmt_signature *signature = parse("(ptr, ptr) -> int");
    struct order ascending = { 1, 0 };
    int list[] = { 3, 1, 2 };
    vmt_callback *callback = vmt_callback_new_local(signature, by_order, &ascending);
    vmt_callback *other = vmt_callback_new_local(signature, by_order, &ascending);
    int (*compare)(const void *, const void *);
    vmt_signature_free(signature);
    vmt_callback_free(other);
    compare = (int (*)(const void *, const void *))vmt_callback_code(callback);
    qsort(list, 3, sizeof *list, compare);
    printf("local: %d %d %d, %d\n", list[0], list[1], list[2], ascending.calls > 1);
    vmt_callback_free(callback);
}

/* How a thread ends within calls: target calls exiter, which calls this. */
static void (*ending)(void);
static int cleaned;

static void cleanup(void *by)
{
    cleaned += *(int *)by;
}

static void exits(void)
{
    pthread_exit(&cleaned);
}

static void is_cancelled(void)
{
    pthread_cancel(pthread_self());
    for (;;)
        sleep(1);
}

static int by_ending(const void *a, const void *b)
{
    int by = 1;
    (void)a;
    (void)b;
    pthread_cleanup_push(cleanup, &by);
    ending();
    pthread_cleanup_pop(1);
    return 0;
}

static void ending_callback(void *data, vmt_slot *slots, size_t count)
{
    (void)slots;
    (void)count;
    *(int *)data += 1;
    by_ending(NULL, NULL);
}

static void ending_host(void *data, void *caller, vmt_slot *slots, size_t count)
{
    (void)caller;
    ending_callback(data, slots, count);
}

/* The thread is left through qsort, trampolines, a callback and a host function. */
static void *thread(void *unused)
{
    vmt_signature *signature = parse("(ptr, ptr) -> int");
    vmt_callback *callback = vmt_callback_new(signature, ending_callback, &cleaned);
    vmt_host *host = vmt_host_new(signature, ending_host, &cleaned);
    vmt_trampoline *trampoline = make("(ptr, size_t, size_t, ptr)", 8);
    vmt_trampoline *direct = make("(ptr, ptr) -> int", 8);
    vmt_vm_trampoline *vm = vmt_vm_trampoline_new(signature, 8);
    int list[2] = { 1, 2 }, by = 100;
    uint64_t slots[4];
    (void)unused;
    pthread_cleanup_push(cleanup, &by);
    pthread_cleanup_push((void (*)(void *))vmt_signature_free, signature);
    pthread_cleanup_push((void (*)(void *))vmt_callback_free, callback);
    pthread_cleanup_push((void (*)(void *))vmt_host_free, host);
    pthread_cleanup_push((void (*)(void *))vmt_trampoline_free, trampoline);
    pthread_cleanup_push((void (*)(void *))vmt_trampoline_free, direct);
    pthread_cleanup_push((void (*)(void *))vmt_vm_trampoline_free, vm);
    slots[0] = (uintptr_t)list;
    slots[1] = 2;
    slots[2] = sizeof *list;
    slots[3] = (uintptr_t)vmt_callback_code(callback);
    if (cleaned < 1000)
        vmt_call(trampoline, (vmt_target)qsort, slots, 4);
    else
        vmt_vm_call(vm, vmt_host_context(host), NULL, vmt_host_code(host), slots, 2);
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(1);
    return NULL;
}

static void *run(void *(*start)(void *))
{
    pthread_t id;
    void *result;
    if (pthread_create(&id, NULL, start, NULL) != 0 || pthread_join(id, &result) != 0)
        exit(1);
    return result;
}

static void ends_of_threads(void)
{
    int base;
    for (base = 0; base <= 1000; base += 1000) {
        cleaned = base;
        ending = exits;
        printf("pthread_exit: %d", run(thread) == &cleaned);
        printf(", %d\n", cleaned - base);
        cleaned = base;
        ending = is_cancelled;
        printf("pthread_cancel: %d", run(thread) == PTHREAD_CANCELED);
        printf(", %d\n", cleaned - base);
    }
}

/* A key whose destructor sets it again, so that it runs after all others, too. */
static pthread_key_t key;
static int rounds;

static void late(void *data)
{
    rounds += vmt_signature_parse("(i32") == NULL && vmt_error_position() == 4;
    pthread_setspecific(key, data);
}

static void *with_key(void *unused)
{
    (void)unused;
    vmt_signature_parse("(i64,");
    pthread_setspecific(key, &key);
    return NULL;
}

static void last_destructors(void)
{
    pthread_key_create(&key, late);
    run(with_key);
    pthread_key_delete(key);
    printf("errors at the end of a thread: %d\n", rounds > 1);
}

#ifdef __cplusplus
static int destroyed;

struct Guard {
    ~Guard() { destroyed++; }
};

static void throws(int32_t code)
{
    Guard guard;
    throw code;
}

static void callback_throws(void *, vmt_slot *slots, size_t)
{
    Guard guard;
    throws(slots[0].i32);
}

static void host_throws(void *data, void *, vmt_slot *slots, size_t count)
{
    callback_throws(data, slots, count);
}

static void calls(vmt_target code)
{
    Guard guard;
    ((void (*)(int32_t))code)(9);
}

static void exceptions(void)
{
    vmt_signature *signature = parse("(i32)");
    vmt_trampoline *trampoline = vmt_trampoline_new(signature, 8), *outer = make("(ptr)", 8);
    vmt_vm_trampoline *vm = vmt_vm_trampoline_new(signature, 16);
    vmt_callback *callback = vmt_callback_new(signature, callback_throws, NULL);
    vmt_host *host = vmt_host_new(signature, host_throws, NULL);
    vmt_slot slots[1];
    for (int i = 0; i < 4; i++)
        try {
            slots[0].u64 = 7;
            if (i == 0) {
                vmt_call(trampoline, (vmt_target)throws, slots, 1);
            } else if (i == 1) {
                slots[0].u64 = (uintptr_t)vmt_callback_code(callback);
                vmt_call(outer, (vmt_target)calls, slots, 1);
            } else if (i == 2) {
                vmt_vm_call(vm, vmt_host_context(host), NULL, vmt_host_code(host), slots, 1);
            } else {
                vmt_vm_pointer pointer = vmt_vm_trampoline_pointer(vm, NULL);
                pointer(vmt_host_context(host), NULL, vmt_host_code(host), slots);
            }
        } catch (int32_t code) {
            printf("exception: %d, %d\n", code, destroyed);
        }
    vmt_signature_free(signature);
    vmt_trampoline_free(trampoline);
    vmt_trampoline_free(outer);
    vmt_vm_trampoline_free(vm);
    vmt_callback_free(callback);
    vmt_host_free(host);
}
#endif

/* ---- Bad input ---- */

static void texts(void)
{
    static const char *const bad[] = { "(i32, f16)",  "(i32", "i32", "(i32) -> i32 i32",
                                       "({i32, f64)", "\xff", NULL };
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        /* No trampoline of no signature; the error stays. */
        vmt_signature *signature = vmt_signature_parse(bad[i]);
        say("signature", vmt_trampoline_new(signature, 8) != NULL);
        vmt_type *type = vmt_type_parse(bad[i]);
        say("type", type != NULL);
        vmt_type_free(type);
    }
    say("array", vmt_type_parse("[int; 0]") != NULL);
}

/* An error's text is cut off, at a whole character. */
static void long_text(void)
{
    char text[1000];
    size_t i;
    strcpy(text, "(i32, ");
    for (i = strlen(text); i + 3 < sizeof text; i++)
        text[i] = 'x';
    strcpy(text + i, ")");
    vmt_signature_parse(text);
    printf("%d, %s, %d\n", (int)strlen(vmt_error()), code_name(), (int)vmt_error_position());
}

static void conventions(void)
{
    /* What plain C has and the VM convention has not. */
    static const char *const none[] = { "(i32, v128)", "({int, int})", "() -> longdouble",
                                        "(ptr, ...i32)" };
    vmt_signature *signature;
    vmt_trampoline *trampoline;
    char text[1];
    size_t i;
    for (i = 0; i < sizeof none / sizeof *none; i++) {
        signature = parse(none[i]);
        say("vm", vmt_vm_trampoline_new(signature, 8) != NULL);
        trampoline = vmt_trampoline_new(signature, 8);
        say("c", trampoline != NULL);
        vmt_trampoline_free(trampoline);
        vmt_signature_free(signature);
    }
    signature = parse("(ptr, ...f32)");
    say("unpromoted", vmt_trampoline_new(signature, 8) != NULL);
    say("slots of 12", vmt_trampoline_new(signature, 12) != NULL);
    say("slots of 0", vmt_vm_trampoline_new(signature, 0) != NULL);
    say("no function", vmt_callback_new(signature, NULL, NULL) != NULL);
    say("no function", vmt_callback_new_local(signature, NULL, NULL) != NULL);
    say("no function", vmt_host_new(signature, NULL, NULL) != NULL);
    say("layout", vmt_signature_layout(signature, "aarch64-vm", text, 1) != VMT_NONE);
    say("layout", vmt_signature_layout(signature, "pdp11", text, 1) != VMT_NONE);
    say("layout", vmt_signature_layout(signature, "\xff", text, 1) != VMT_NONE);
    say("param", vmt_signature_param(signature, 2) != NULL);
    say("result", vmt_signature_result(signature, 0) != NULL);
    vmt_signature_free(signature);

    signature = parse("(ptr, ...int)");
    say("variadic callback", vmt_callback_new(signature, by_order, NULL) != NULL);
    say("variadic callback", vmt_callback_new_local(signature, by_order, NULL) != NULL);
    vmt_signature_free(signature);

    signature = parse("({[i64; 9000]})");
    say("large", vmt_trampoline_new(signature, 16) != NULL);
    vmt_signature_free(signature);
    say("deep", vmt_type_parse("{{{{{{{{{{{{{{{{{int}}}}}}}}}}}}}}}}}") != NULL);

    signature = parse("() -> (i32, i32)");
    say("results", vmt_trampoline_new(signature, 16) != NULL);
    vmt_signature_free(signature);
}

static int called;

static void call_me(void)
{
    called++;
}

static void calls_that_are_none(void)
{
    vmt_trampoline *trampoline = make("(i32, i32)", 16), *nothing = make("()", 16);
    vmt_slot slots[2];
    say("call", vmt_call(trampoline, (vmt_target)leave, slots, 1));
    say("call", vmt_call(trampoline, NULL, slots, 2));
    say("call", vmt_call(trampoline, (vmt_target)leave, NULL, 2));
    say("call", vmt_call(trampoline, (vmt_target)leave, (char *)slots + 4, 2));
    say("argument", vmt_trampoline_argument(trampoline, 3) != VMT_NONE);
    say("call without slots", vmt_call(nothing, call_me, NULL, 0) && called == 1);
    vmt_trampoline_free(trampoline);
    vmt_trampoline_free(nothing);
}

static void wrong_types(void)
{
    vmt_type *type = vmt_type_parse("int"), *array = vmt_type_array(type, 2);
    const vmt_type *types[1025];
    size_t i;
    types[0] = NULL;
    say("null in an array", vmt_type_structure(types, 1) != NULL);
    say("no array", vmt_type_union(NULL, 1) != NULL);
    say("null in an array", vmt_signature_new(types, 1, VMT_NONE, NULL, 0) != NULL);
    say("no array", vmt_signature_new(NULL, 0, VMT_NONE, NULL, 1) != NULL);
    types[0] = vmt_type_parse("{int");
    say("a failure in an array", vmt_type_structure(types, 1) != NULL);
    types[0] = array;
    say("array", vmt_signature_new(types, 1, VMT_NONE, NULL, 0) != NULL);
    say("named", vmt_signature_new(types, 1, 2, NULL, 0) != NULL);
    for (i = 0; i < 1025; i++)
        types[i] = type;
    say("params", vmt_signature_new(types, 1025, VMT_NONE, NULL, 0) != NULL);
    say("results", vmt_signature_new(NULL, 0, VMT_NONE, types, 1001) != NULL);
    say("elements", vmt_type_array(type, 0) != NULL);
    say("packed", vmt_type_packed(type) != NULL);
    say("aligned", vmt_type_aligned(array, 3) != NULL);
    say("field", vmt_type_field(type, 0) != NULL);
    say("offset", vmt_type_offset(array, 2) != VMT_NONE);
    vmt_type_free(type);
    vmt_type_free(array);
}

/* Every function takes no object for none, and leaves the error as it was. */
#ifndef OBJECTS_ONLY
static void nothing(void)
{
    vmt_slot slot;
    char text[2] = "x";
    int wrong = 0;
    vmt_signature_parse("");
    wrong += vmt_type_array(NULL, 1) != NULL;
    wrong += vmt_type_packed(NULL) != NULL;
    wrong += vmt_type_aligned(NULL, 1) != NULL;
    wrong += vmt_type_kind(NULL) != -1;
    wrong += vmt_type_size(NULL) != VMT_NONE;
    wrong += vmt_type_alignment(NULL) != VMT_NONE;
    wrong += vmt_type_fields(NULL) != VMT_NONE;
    wrong += vmt_type_field(NULL, 0) != NULL;
    wrong += vmt_type_offset(NULL, 0) != VMT_NONE;
    wrong += vmt_type_text(NULL, text, 2) != VMT_NONE;
    wrong += vmt_signature_params(NULL) != VMT_NONE;
    wrong += vmt_signature_results(NULL) != VMT_NONE;
    wrong += vmt_signature_named(NULL) != VMT_NONE;
    wrong += vmt_signature_param(NULL, 0) != NULL;
    wrong += vmt_signature_result(NULL, 0) != NULL;
    wrong += vmt_signature_text(NULL, text, 2) != VMT_NONE;
    wrong += vmt_signature_layout(NULL, NULL, text, 2) != VMT_NONE;
    wrong += vmt_slot_write(&slot, 16, NULL, text) != 0;
    wrong += vmt_slot_read(&slot, 16, NULL, text) != 0;
    wrong += vmt_trampoline_new(NULL, 16) != NULL;
    wrong += vmt_vm_trampoline_new(NULL, 16) != NULL;
    wrong += vmt_trampoline_signature(NULL) != NULL;
    wrong += vmt_vm_trampoline_signature(NULL) != NULL;
    wrong += vmt_trampoline_slots(NULL) != VMT_NONE;
    wrong += vmt_vm_trampoline_slots(NULL) != VMT_NONE;
    wrong += vmt_trampoline_argument(NULL, 0) != VMT_NONE;
    wrong += vmt_vm_trampoline_argument(NULL, 0) != VMT_NONE;
    wrong += vmt_call(NULL, (vmt_target)leave, &slot, 1) != 0;
    wrong += vmt_vm_call(NULL, NULL, NULL, (vmt_target)leave, &slot, 1) != 0;
    wrong += vmt_call_leavable(NULL, (vmt_target)leave, &slot, 1, NULL, NULL) != 0;
    wrong += vmt_vm_call_leavable(NULL, NULL, NULL, (vmt_target)leave, &slot, 1, NULL, NULL) != 0;
    wrong += vmt_landing_destination(NULL, 0, NULL, NULL) != 0;
    wrong += vmt_vm_trampoline_pointer(NULL, NULL) != NULL;
    wrong += vmt_callback_new(NULL, by_order, NULL) != NULL;
    wrong += vmt_callback_new_local(NULL, by_order, NULL) != NULL;
    wrong += vmt_callback_argument(NULL, 0) != VMT_NONE;
    wrong += vmt_callback_code(NULL) != NULL;
    wrong += vmt_host_new(NULL, both, NULL) != NULL;
    wrong += vmt_host_code(NULL) != NULL;
    wrong += vmt_host_context(NULL) != NULL;
    wrong += text[0] != 'x';
    vmt_type_free(NULL);
    vmt_signature_free(NULL);
    vmt_trampoline_free(NULL);
    vmt_vm_trampoline_free(NULL);
    vmt_landing_free(NULL);
    vmt_pool_free(NULL);
    vmt_callback_free(NULL);
    vmt_host_free(NULL);
    printf("nothing: %d wrong\n", wrong);
    say("nothing", 0);
}
#endif

static void *calls_elsewhere(void *callback)
{
    ((void (*)(void))vmt_callback_code((vmt_callback *)callback))();
    return NULL;
}

static void ignores(void *data, vmt_slot *slots, size_t count)
{
    (void)data;
    (void)slots;
    (void)count;
}

/* What aborts; and for the test of the testers. */
static void break_a_rule(const char *rule)
{
    if (strcmp(rule, "elsewhere") == 0) {
        pthread_t id;
        vmt_signature *signature = parse("()");
        vmt_callback *callback = vmt_callback_new_local(signature, ignores, NULL);
        calls_elsewhere(callback);
        pthread_create(&id, NULL, calls_elsewhere, callback);
        pthread_join(id, NULL);
    } else if (strcmp(rule, "dead") == 0) {
        vmt_leave(vmt_landing_new(), 1);
    } else if (strcmp(rule, "none") == 0) {
        vmt_leave(NULL, 1);
    } else if (strcmp(rule, "leak") == 0) {
        vmt_signature_parse("()");
    } else if (strcmp(rule, "twice") == 0) {
        vmt_signature *signature = vmt_signature_parse("()");
        vmt_signature_free(signature);
        vmt_signature_free(signature);
    } else {
        vmt_trampoline *trampoline = make("(i64, i64)", 8);
        uint64_t *slots = (uint64_t *)calloc(1, sizeof *slots);
        vmt_call(trampoline, call_me, slots, 2);
        free(slots);
        vmt_trampoline_free(trampoline);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        break_a_rule(argv[1]);
        return 0;
    }
    say("first", vmt_error_code() == VMT_ERROR_NONE && *vmt_error() == '\0');
    say("none", vmt_type_packed(NULL) != NULL);
    types();
    signatures();
    values();
    sixteen_bytes();
    eight_bytes();
    a_pointer();
    structures(8);
    structures(16);
    variadic();
    long_double(8);
    long_double(16);
    vm_convention(8);
    vm_convention(16);
    pointers();
    callbacks();
    structure_callback();
    hosts();
    leaving();
    calls_that_are_left(8);
    calls_that_are_left(16);
    local_callback();
    ends_of_threads();
    last_destructors();
#ifdef __cplusplus
    exceptions();
#endif
    texts();
    long_text();
    conventions();
    calls_that_are_none();
    wrong_types();
#ifndef OBJECTS_ONLY
    nothing();
#endif
    return 0;
}
