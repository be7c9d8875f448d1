/* Two libraries with libffi's interface in one process: nanoseconds of a call through each.

       cc -O2 -fno-tree-slp-vectorize -I PREFIX/include -o bench libffi/bench.c -ldl -lm
       ./bench libffi.so.8 PREFIX/lib/libffi.so.8 [ROW THING]

   Its functions handle a structure by words, as libraries store it. By either library, a load of
   more than one word would wait for these stores: 5 ns by gcc 12 without that option.

   ROW and THING are what the lines of the output begin with, THING first there. Only they then
   run, a thousand times by each library, in the function `repeat`: for counting
   instructions by `valgrind --tool=callgrind --toggle-collect=repeat`, with one library twice.
   `plan` is a call by ffi_call_plan_invoke, if both libraries have it; `direct` is a call that
   the compiler makes, without either library. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <ffi.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { double x, y; } point;
typedef struct { long a, b, c; } triple;

static void nothing(void) {}
static int add(int a, int b) { return a + b; }
static double mul(double a, double b) { return a * b; }
static long nine(int a, long b, int c, long d, int e, long f, int g, long h, int i) {
    return a + b + c + d + e + f + g + h + i;
}
static point mirror(point p) { return (point){ p.y, p.x }; }
static triple turn(triple t) { return (triple){ t.b, t.c, t.a }; }

/* One library. */
typedef struct {
    __typeof__(&ffi_prep_cif) prep_cif;
    __typeof__(&ffi_call) call;
    __typeof__(&ffi_closure_alloc) closure_alloc;
    __typeof__(&ffi_closure_free) closure_free;
    __typeof__(&ffi_prep_closure_loc) prep_closure_loc;
    /* Null before libffi 3.7. */
    __typeof__(&ffi_call_plan_alloc) plan_alloc;
    __typeof__(&ffi_call_plan_invoke) plan_invoke;
} library;

static library load(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return (library){ dlsym(handle, "ffi_prep_cif"), dlsym(handle, "ffi_call"),
                      dlsym(handle, "ffi_closure_alloc"), dlsym(handle, "ffi_closure_free"),
                      dlsym(handle, "ffi_prep_closure_loc"), dlsym(handle, "ffi_call_plan_alloc"),
                      dlsym(handle, "ffi_call_plan_invoke") };
}

/* The types of either library are the same; these are of neither. */
static ffi_type type_void = { 1, 1, FFI_TYPE_VOID, NULL };
static ffi_type type_int = { 4, 4, FFI_TYPE_SINT32, NULL };
static ffi_type type_long = { 8, 8, FFI_TYPE_SINT64, NULL };
static ffi_type type_double = { 8, 8, FFI_TYPE_DOUBLE, NULL };
static ffi_type *doubles[] = { &type_double, &type_double, NULL };
static ffi_type *longs[] = { &type_long, &type_long, &type_long, NULL };
static ffi_type type_point = { 16, 8, FFI_TYPE_STRUCT, doubles };
static ffi_type type_triple = { 24, 8, FFI_TYPE_STRUCT, longs };

static int ints[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static long wide[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static double floats[2] = { 1.5, 2.5 };
static point a_point = { 1, 2 };
static triple a_triple = { 1, 2, 3 };

static struct {
    const char *name;
    void (*function)(void);
    unsigned count;
    ffi_type *result, *types[10];
    void *values[10];
} rows[] = {
    { "()", nothing, 0, &type_void, { NULL }, { NULL } },
    { "(i32, i32) -> i32", FFI_FN(add), 2, &type_int, { &type_int, &type_int }, { &ints[0], &ints[1] } },
    { "(f64, f64) -> f64", FFI_FN(mul), 2, &type_double, { &type_double, &type_double }, { &floats[0], &floats[1] } },
    { "9 integers", FFI_FN(nine), 9, &type_long,
      { &type_int, &type_long, &type_int, &type_long, &type_int, &type_long, &type_int, &type_long, &type_int },
      { &ints[0], &wide[1], &ints[2], &wide[3], &ints[4], &wide[5], &ints[6], &wide[7], &ints[8] } },
    { "({f64, f64}) -> {f64, f64}", FFI_FN(mirror), 1, &type_point, { &type_point }, { &a_point } },
    { "({i64 x3}) -> {i64 x3}", FFI_FN(turn), 1, &type_triple, { &type_triple }, { &a_triple } },
};
enum { ROWS = sizeof rows / sizeof *rows };

/* What a closure of any row does. */
static void closed(ffi_cif *cif, void *result, void **values, void *data) {
    (void)data;
    if (cif->rtype->type == FFI_TYPE_VOID)
        return;
    if (cif->rtype->type == FFI_TYPE_SINT32)
        *(ffi_sarg *)result = *(int *)values[0];
    else
        for (size_t i = 0; i < cif->rtype->size / sizeof(long); i++)
            ((long *)result)[i] = ((long *)values[0])[i];
}

static void *code;
static ffi_cif cif;
static ffi_call_plan *plan;

/* Does one thing so often. */
enum { CALL, PLAN, PREP, CLOSURE, DIRECT, THINGS };
static const char *const things[THINGS] = { "ffi_call", "plan", "ffi_prep_cif", "closure", "direct" };

__attribute__((noinline)) static void repeat(const library *by, int thing, int row, long times) {
    union { ffi_arg word; double number; triple words; point point; } result;
    volatile double sink = 0;
    switch (thing) {
    case CALL:
        for (long i = 0; i < times; i++)
            by->call(&cif, rows[row].function, &result, rows[row].values);
        return;
    case PLAN:
        for (long i = 0; i < times; i++)
            by->plan_invoke(plan, rows[row].function, &result, rows[row].values);
        return;
    case PREP:
        for (long i = 0; i < times; i++)
            by->prep_cif(&cif, FFI_DEFAULT_ABI, rows[row].count, rows[row].result, rows[row].types);
        return;
    }
    for (long i = 0; i < times; i++)
        switch (row) {
        case 0: ((void (*)(void))code)(); break;
        case 1: sink = ((int (*)(int, int))code)(1, 2); break;
        case 2: sink = ((double (*)(double, double))code)(1.5, 2.5); break;
        case 3:
            sink = ((long (*)(int, long, int, long, int, long, int, long, int))code)(1, 2, 3, 4, 5, 6, 7, 8, 9);
            break;
        case 4: sink = ((point(*)(point))code)(a_point).x; break;
        case 5: sink = ((triple(*)(triple))code)(a_triple).a; break;
        }
    (void)sink;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int count, char **arguments) {
    if (count < 3)
        return 2;
    library libraries[2] = { load(arguments[1]), load(arguments[2]) };
    for (int thing = 0; thing < THINGS; thing++) {
        if (count > 4 && strcmp(arguments[4], things[thing]))
            continue;
        if (thing == PLAN && !(libraries[0].plan_alloc && libraries[1].plan_alloc))
            continue;
        for (int row = 0; row < ROWS; row++) {
            double best[2] = { INFINITY, INFINITY };
            if (count > 3 && strcmp(arguments[3], rows[row].name))
                continue;
            for (int turn = 0; turn < (count > 3 ? 1 : 15); turn++)
                for (int i = 0; i < 2; i++) {
                    const library *by = &libraries[i];
                    if (by->prep_cif(&cif, FFI_DEFAULT_ABI, rows[row].count, rows[row].result, rows[row].types))
                        abort();
                    void *closure = by->closure_alloc(sizeof(ffi_closure), &code);
                    if (!closure || by->prep_closure_loc(closure, &cif, closed, NULL, code))
                        abort();
                    if (thing == PLAN)
                        plan = by->plan_alloc(&cif);
                    if (thing == DIRECT)
                        code = rows[row].function;
                    long times = count > 3 ? 1000 : 100000;
                    double start = now();
                    repeat(by, thing, row, times);
                    best[i] = fmin(best[i], (now() - start) / times);
                    by->closure_free(closure);
                }
            printf("%-13s %-28s %7.1f %7.1f ns  %4.1f\n", things[thing], rows[row].name, best[0], best[1],
                   best[0] / best[1]);
        }
    }
    return 0;
}
