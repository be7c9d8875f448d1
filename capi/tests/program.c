/* Uses everything in vmtrampoline.h, and says what it got. tests/c.rs compiles it,
 * runs it (under valgrind too) and compares what it prints. */
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmtrampoline.h"

/* Tells its arguments apart, those on the stack too. */
static int64_t mixed(int32_t a, double b, int64_t c, float d, int64_t e, int64_t f, int64_t g,
                     int64_t h, int32_t i)
{
    return a + 10 * (int64_t)b + 100 * c + 1000 * (int64_t)d + 10000 * (e + f + g + h) + i;
}

/* The VM convention: two contexts first; results after the first by a pointer. */
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

static jmp_buf handler;

static void leave(int32_t code)
{
    longjmp(handler, code);
}

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The trampoline of a text, which is right. */
static vmt_trampoline *make(const char *text, size_t slot_size)
{
    vmt_signature *signature = vmt_signature_parse(text);
    vmt_trampoline *trampoline = vmt_trampoline_new(signature, slot_size);
    vmt_signature_free(signature);
    if (!trampoline) {
        printf("%s: %s\n", text, vmt_error());
        exit(1);
    }
    return trampoline;
}

static void sixteen_bytes(void)
{
    vmt_trampoline *trampoline = make("(f64, f64) -> f64", sizeof(vmt_slot));
    vmt_slot slots[2];
    slots[0].f64 = 2;
    slots[1].f64 = 10;
    bool called = vmt_call(trampoline, (vmt_target)pow, slots, 2);
    printf("pow: %d, %g\n", called, slots[0].f64);
    vmt_trampoline_free(trampoline);
}

/* An interpreter's stack of 8-byte slots: a block of just this size. */
static void eight_bytes(void)
{
    vmt_trampoline *trampoline = make("(i32, f64, i64, f32, i64, i64, i64, i64, i32) -> i64", 8);
    size_t count = vmt_trampoline_slots(trampoline);
    uint64_t *slots = malloc(count * sizeof *slots);
    double two = 2;
    float four = 4;
    for (size_t i = 0; i < count; i++)
        slots[i] = 1;
    memcpy(&slots[1], &two, sizeof two);
    slots[2] = 3;
    memcpy(&slots[3], &four, sizeof four); /* four bytes do */
    slots[8] = 1000000;
    bool called = vmt_call(trampoline, (vmt_target)mixed, slots, count);
    printf("mixed: %zu slots, %d, %lld\n", count, called, (long long)slots[0]);
    free(slots);
    vmt_trampoline_free(trampoline);
}

static void a_pointer(void)
{
    vmt_trampoline *trampoline = make("(ptr, i64, i64, ptr)", 8);
    int list[] = { 3, 1, 2 };
    uint64_t slots[4] = { (uintptr_t)list, 3, sizeof *list, (uintptr_t)compare };
    bool called = vmt_call(trampoline, (vmt_target)qsort, slots, 4);
    printf("qsort: %d, %d %d %d\n", called, list[0], list[1], list[2]);
    vmt_trampoline_free(trampoline);
}

static void vm_convention(size_t slot_size)
{
    vmt_signature *signature = vmt_signature_parse("(i32, i32) -> (i32, i32, f64)");
    vmt_vm_trampoline *trampoline = vmt_vm_trampoline_new(signature, slot_size);
    size_t words = slot_size / sizeof(uint64_t), count = vmt_vm_trampoline_slots(trampoline);
    uint64_t *slots = malloc(count * slot_size);
    int callee = 0, caller = 0;
    double quotient;
    slots[0] = (uint32_t)-17;
    slots[words] = 5;
    bool called =
        vmt_vm_call(trampoline, &callee, &caller, (vmt_target)divide, slots, count);
    memcpy(&quotient, &slots[2 * words], sizeof quotient);
    printf("divide: %d, contexts %d %d, %d, %d, %g\n", called, callee, caller, (int32_t)slots[0],
           (int32_t)slots[words], quotient);
    called = vmt_vm_call(trampoline, &callee, &caller, (vmt_target)divide, slots, 2);
    printf("divide: %d: %s\n", called, vmt_error());
    free(slots);
    vmt_vm_trampoline_free(trampoline);
    vmt_signature_free(signature);
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

static void errors(void)
{
    static const char *const texts[] = { "(i32, f16)", "(i32", "i32", "(i32) -> i32 i32", "\xff",
                                         NULL };
    vmt_signature *signature;
    vmt_trampoline *trampoline;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        signature = vmt_signature_parse(texts[i]);
        /* No trampoline of no signature; the error stays. */
        trampoline = vmt_trampoline_new(signature, 8);
        printf("parse: %d, %d: %s\n", signature != NULL, trampoline != NULL, vmt_error());
    }

    signature = vmt_signature_parse("(i32, v128)");
    trampoline = vmt_trampoline_new(signature, 8);
    printf("new: %d: %s\n", trampoline != NULL, vmt_error());
    trampoline = vmt_trampoline_new(signature, 12);
    printf("new: %d: %s\n", trampoline != NULL, vmt_error());
    vmt_signature_free(signature);

    signature = vmt_signature_parse("() -> (i32, i32)");
    trampoline = vmt_trampoline_new(signature, 16);
    printf("new: %d: %s\n", trampoline != NULL, vmt_error());
    vmt_signature_free(signature);

    trampoline = make("(i32, i32)", 16);
    bool called = vmt_call(trampoline, NULL, NULL, 1);
    printf("call: %d: %s\n", called, vmt_error());
    vmt_trampoline_free(trampoline);

    vmt_signature_free(NULL);
    vmt_trampoline_free(NULL);
    vmt_vm_trampoline_free(NULL);
}

/* For the test of the testers. */
static void leak(void)
{
    vmt_signature_parse("()");
}

static void too_short(void)
{
    vmt_trampoline *trampoline = make("(i64, i64)", 8);
    uint64_t *slots = calloc(1, sizeof *slots);
    vmt_call(trampoline, (vmt_target)labs, slots, 2);
    free(slots);
    vmt_trampoline_free(trampoline);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        if (strcmp(argv[1], "leak") == 0)
            leak();
        else
            too_short();
        return 0;
    }
    sixteen_bytes();
    eight_bytes();
    a_pointer();
    vm_convention(8);
    vm_convention(16);
    leaving();
    errors();
    return 0;
}
